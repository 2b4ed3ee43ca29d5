"""Callers are shown the tools that they may call."""

import json

from jsonschema import Draft202012Validator

from toolmesh_catalog.tools import ToolList
from toolmesh_contracts.contract import Contract


def test_tools_follow_scopes() -> None:
    """A tool is visible exactly to those who hold its scope."""
    contract = Contract.load()
    tools = ToolList(contract)
    for method in contract.tools:
        assert method.tool is not None
        assert method.policy.scope is not None
        seen = [entry.name for entry in tools.visible_to({method.policy.scope})]
        assert method.tool.name in seen
    assert list(tools.visible_to(set())) == []


def test_mcp_result_is_what_clients_read() -> None:
    """The MCP list has valid schemas, the hints, and the RPC's comment as description."""
    result = json.loads(ToolList(Contract.load()).mcp_result({"repomap:read"}))
    tool = next(tool for tool in result["tools"] if tool["name"] == "repomap_map")
    assert "token budget" in tool["description"]
    assert tool["annotations"]["readOnlyHint"] is True
    assert tool["annotations"]["destructiveHint"] is False
    for kind in ("inputSchema", "outputSchema"):
        Draft202012Validator.check_schema(tool[kind])
        assert tool[kind]["type"] == "object"
    arguments = Draft202012Validator(tool["inputSchema"])
    assert arguments.is_valid({"workspace": "w", "maxTokens": 100})
    assert not arguments.is_valid({"workspace": "w", "maxToken": 100})
    assert not arguments.is_valid({})


def test_mcp_result_of_nobody_is_empty() -> None:
    """A token without scopes sees an empty list, not an error."""
    assert json.loads(ToolList(Contract.load()).mcp_result(set())) == {"tools": []}
