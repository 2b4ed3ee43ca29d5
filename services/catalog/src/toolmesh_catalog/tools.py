"""The tools of the mesh, as callers may see them."""

from collections.abc import Iterator, Set
from dataclasses import dataclass

import orjson

from toolmesh_contracts.contract import Contract, Method, SideEffect
from toolmesh_contracts.contract import Tool as ToolOption
from toolmesh_contracts.json_schema import Schema, standalone


@dataclass(frozen=True)
class ToolEntry:
    """A tool with all that a caller needs to know of it.

    Attributes:
        scope: what the caller's token must hold; None when any token will do.
    """

    name: str
    title: str
    description: str
    method: str
    http_path: str
    scope: str | None
    input_schema: Schema
    output_schema: Schema
    read_only: bool
    destructive: bool
    open_world: bool

    def mcp(self) -> Schema:
        """The tool in the form of MCP's `tools/list` (revision 2025-06-18)."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.read_only,
                "destructiveHint": self.destructive,
                "idempotentHint": self.read_only,
                "openWorldHint": self.open_world,
            },
        }


class ToolList:
    """All tools, by name. What a caller is shown is what the caller may call."""

    def __init__(self, contract: Contract) -> None:
        self._entries = tuple(
            _entry(contract, method, method.tool) for method in contract.tools if method.tool
        )
        # Written once: the schemas are most of an answer.
        self._mcp = {entry.name: orjson.dumps(entry.mcp()) for entry in self._entries}

    def visible_to(self, scopes: Set[str]) -> Iterator[ToolEntry]:
        """The tools that a token with these scopes may call."""
        return (entry for entry in self._entries if entry.scope is None or entry.scope in scopes)

    def mcp_result(self, scopes: Set[str]) -> bytes:
        """The JSON result of MCP's `tools/list` for a token with these scopes."""
        tools = b",".join(self._mcp[entry.name] for entry in self.visible_to(scopes))
        return b'{"tools":[' + tools + b"]}"


def _entry(contract: Contract, method: Method, tool: ToolOption) -> ToolEntry:
    side_effect = method.policy.side_effect
    return ToolEntry(
        name=tool.name,
        title=tool.title,
        description=method.comment,
        method=method.path,
        http_path=next(rule.path for rule in method.http if rule.verb == "POST"),
        scope=method.policy.scope,
        input_schema=standalone(method.input, contract.comments, closed=True),
        output_schema=standalone(method.output, contract.comments, closed=False),
        read_only=side_effect is SideEffect.READ,
        destructive=side_effect is SideEffect.DESTRUCTIVE,
        open_world=tool.open_world,
    )
