"""Every door gives every role the same answer, for every RPC that the mesh has.

The table is made from the descriptors: a new method is in it without an edit, and there is no list
of exceptions. "Denied" is UNAUTHENTICATED or PERMISSION_DENIED; any other answer, such as a
complaint about the empty request, means that the call was let in.
"""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from mcp import ClientSession
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.exceptions import MCPError

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    role_service_pb2,
    role_service_pb2_grpc,
)
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_contracts.contract import Contract, HttpRule, Method

_NOBODY = "nobody"
_SECONDS = 10


async def test_every_role_at_every_door(
    mesh_address: str, mesh_admin_key: str, mesh_folder: Path
) -> None:
    """For every role and every RPC, all doors answer as the policy in the proto says."""
    contract = Contract.load()
    scopes, tokens = await _roles(mesh_address, mesh_admin_key)
    asked, wrong = 0, []
    for role, token in tokens.items():
        for method in contract.methods:
            expected = _may_call(method, role, scopes)
            doors = {"service": await _grpc(_service(mesh_folder, method), method, token)}
            doors["gRPC"] = await _grpc(mesh_address, method, token)
            for rule in method.http:
                door = f"HTTP {rule.verb} {rule.path}"
                doors[door] = await asyncio.to_thread(_http, mesh_address, rule, token)
            if method.tool:
                doors["MCP"] = await _mcp(mesh_address, method.tool.name, token)
            asked += len(doors)
            wrong += [
                (role, method.path, door) for door, let_in in doors.items() if let_in != expected
            ]
    print(f"{asked} answers of {len(tokens)} roles x {len(contract.methods)} RPCs")
    assert wrong == []
    assert asked > 2 * len(tokens) * len(contract.methods)


async def test_every_role_sees_the_tools_that_it_may_call(
    mesh_address: str, mesh_admin_key: str
) -> None:
    """MCP's list, which the catalog makes, and the gateway's rules agree on every tool."""
    contract = Contract.load()
    scopes, tokens = await _roles(mesh_address, mesh_admin_key)
    for role, token in tokens.items():
        if not token:
            continue
        async with _mcp_session(mesh_address, token) as session:
            listed = {tool.name for tool in (await session.list_tools()).tools}
        callable_ = {m.tool.name for m in contract.tools if m.tool and _may_call(m, role, scopes)}
        assert listed == callable_, role


def _may_call(method: Method, role: str, scopes: Mapping[str, set[str]]) -> bool:
    policy = method.policy
    if policy.public:
        return True
    if role == _NOBODY:
        return False
    return policy.authenticated or policy.scope in scopes[role]


async def _roles(address: str, admin_key: str) -> tuple[dict[str, set[str]], dict[str, str]]:
    """The scopes and an access token of each role; nobody has neither."""
    async with grpc.aio.insecure_channel(address) as channel:
        metadata = [("x-api-key", admin_key)]
        roles = role_service_pb2_grpc.RoleServiceStub(channel)
        keys = api_key_service_pb2_grpc.ApiKeyServiceStub(channel)
        listed = await roles.ListRoles(role_service_pb2.ListRolesRequest(), metadata=metadata)
        tokens = {_NOBODY: ""}
        for role in listed.roles:
            request = api_key_service_pb2.CreateApiKeyRequest(
                display_name="parity", subject=f"parity-{role.name}", roles=[role.name]
            )
            made = await keys.CreateApiKey(request, metadata=metadata)
            tokens[role.name] = await ApiKeyTokens(channel, made.key)()
    return {role.name: set(role.scopes) for role in listed.roles}, tokens


def _service(folder: Path, method: Method) -> str:
    return f"unix:{folder / 'run' / method.service}.sock"


async def _grpc(address: str, method: Method, token: str) -> bool:
    """Whether a gRPC call with an empty request is let in."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    async with grpc.aio.insecure_channel(address) as channel:
        kind = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }[method.client_streaming, method.server_streaming]
        make: Any = kind(
            method.path,
            request_serializer=method.input_class.SerializeToString,
            response_deserializer=method.output_class.FromString,
        )
        request: Any = method.input_class()
        if method.client_streaming:
            # Without a message: sending one races with a refusal, and gRPC's client then reports
            # the failed send instead of the answer.
            request = _nothing()
        call = make(request, metadata=metadata, timeout=_SECONDS)
        if method.server_streaming:
            async for _ in _until_refused(call):
                pass
        code = await call.code()
    return code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


async def _nothing() -> AsyncIterator[Any]:
    for message in ():
        yield message


async def _until_refused(call: Any) -> AsyncIterator[Any]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError:
        return


def _http(address: str, rule: HttpRule, token: str) -> bool:
    """Whether an HTTP request without arguments is let in."""
    path = re.sub(r"\{[^}]*\}", "x", rule.path)
    request = urllib.request.Request(f"http://{address}{path}", method=rule.verb)
    if rule.body:
        request.data = b"{}" if rule.body == "*" else b"no tar"
        request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    return status not in (401, 403)


@asynccontextmanager
async def _mcp_session(address: str, token: str) -> AsyncGenerator[ClientSession]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with (
        create_mcp_http_client(headers=headers) as http,
        streamable_http_client(f"http://{address}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


async def _mcp(address: str, tool: str, token: str) -> bool:
    """Whether an MCP call of the tool without arguments is let in."""
    refused, result = False, None
    try:
        async with _mcp_session(address, token) as session:
            result = await session.call_tool(tool, {})
    except* MCPError:
        refused = True
    if refused or result is None:
        return False
    text = getattr(result.content[0], "text", "{}")
    return not (result.is_error and json.loads(text)["code"] in (7, 16))
