"""The doors of the gateway, each a way to call the echo service and to be refused."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

_SAY = "/toolmesh.echo.v1.EchoService/Say"


@dataclass(frozen=True)
class Outcome:
    """How a call ended, in terms that all doors have in common.

    Attributes:
        code: the canonical code; 0 is OK.
        answer: the method's answer as JSON.
        fields: of the answer's `BadRequest`.
    """

    code: int = 0
    reason: str = ""
    message: str = ""
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    fields: Sequence[str] = ()


# A door: called with a token and the request of `Say`, and perhaps headers.
Door = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def http(gateway: Any) -> Generator[httpx.Client]:
    """An HTTP client of the gateway."""
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield client


@pytest.fixture
async def channel(gateway: Any) -> AsyncGenerator[grpc.aio.Channel]:
    """A gRPC channel to the gateway."""
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        yield channel


@pytest.fixture
def mcp_session(gateway: Any) -> Callable[..., Any]:
    """Opens a session of the official MCP client: `async with mcp_session(token) as session`."""

    @asynccontextmanager
    async def opened(
        token: str | None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[ClientSession]:
        async with (
            create_mcp_http_client(headers={**_bearer(token), **(headers or {})}) as client,
            streamable_http_client(f"{gateway.url}/mcp", http_client=client) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            yield session

    return opened


@pytest.fixture
def outcome_of() -> Callable[[httpx.Response], Outcome]:
    """Reads an HTTP answer."""

    def read(response: httpx.Response) -> Outcome:
        if response.status_code == 200:
            return Outcome(answer=response.json())
        return _of_status(response.json())

    return read


@pytest.fixture
def grpc_outcome(channel: grpc.aio.Channel, mesh: Any) -> Callable[..., Awaitable[Outcome]]:
    """Calls a unary method through the gateway: `await grpc_outcome(path, {...}, token=...)`."""
    return _caller(channel, mesh)


@pytest.fixture
async def direct_outcome(mesh: Any) -> AsyncGenerator[Callable[..., Awaitable[Outcome]]]:
    """The same, around the gateway."""
    async with grpc.aio.insecure_channel(f"unix:{mesh.folder}/echo.sock") as channel:
        yield _caller(channel, mesh)


@pytest.fixture
def unknown_outcome(channel: grpc.aio.Channel) -> Callable[..., Awaitable[Outcome]]:
    """Calls a path that is no method's with an empty message."""

    async def call(path: str, *, token: str | None) -> Outcome:
        stub: Any = channel.unary_unary(path, None, None)
        return await _outcome(stub(b"", metadata=tuple(_bearer(token).items())))

    return call


@pytest.fixture
def doors(
    gateway: Any,
    grpc_outcome: Callable[..., Awaitable[Outcome]],
    outcome_of: Callable[[httpx.Response], Outcome],
) -> dict[str, Door]:
    """Every way to call `Say`, by name."""

    async def post(
        path: str, body: Mapping[str, Any], token: str | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        sent = {**_bearer(token), **(headers or {})}
        async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as client:
            return await client.post(path, json=dict(body), headers=sent)

    async def by_grpc(
        token: str | None, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Outcome:
        return await grpc_outcome(_SAY, request, token=token, headers=headers)

    async def by_http(
        token: str | None, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Outcome:
        return outcome_of(await post("/v1/echo:say", request, token, headers))

    async def by_mcp(
        token: str | None, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Outcome:
        call = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "echo_say", "arguments": dict(request)},
        }
        answer = (await post("/mcp", call, token, headers)).json()
        if "error" in answer:
            error = answer["error"]
            if "data" not in error:  # the bridge's own words
                return Outcome(code=error["code"], message=error["message"])
            return _of_status(error["data"])
        said = json.loads(answer["result"]["content"][0]["text"])
        return _of_status(said) if answer["result"]["isError"] else Outcome(answer=said)

    return {"grpc": by_grpc, "http": by_http, "mcp": by_mcp}


@pytest.fixture(params=["grpc", "http", "mcp"])
def door(request: pytest.FixtureRequest, doors: dict[str, Door]) -> Door:
    """Each door in turn."""
    return doors[request.param]


@pytest.fixture
def mcp_failure() -> type[MCPError]:
    """What the official MCP client raises."""
    return MCPError


def _caller(channel: grpc.aio.Channel, mesh: Any) -> Callable[..., Awaitable[Outcome]]:
    async def call(
        path: str,
        request: Mapping[str, Any],
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 10,
    ) -> Outcome:
        method = mesh.contract.by_path[path]
        stub: Any = channel.unary_unary(
            path,
            request_serializer=method.input_class.SerializeToString,
            response_deserializer=method.output_class.FromString,
        )
        metadata = tuple({**_bearer(token), **(headers or {})}.items())
        message = ParseDict(dict(request), method.input_class())
        return await _outcome(stub(message, metadata=metadata, timeout=seconds))

    return call


async def _outcome(call: Any) -> Outcome:
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _of_grpc(error)
    return Outcome(answer=MessageToDict(answer))


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _of_status(status: Mapping[str, Any]) -> Outcome:
    details = {detail["@type"].rpartition(".")[2]: detail for detail in status["details"]}
    info = details["ErrorInfo"]
    assert info["domain"] == "toolmesh.dev"
    violations = details.get("BadRequest", {}).get("fieldViolations", [])
    return Outcome(
        code=status["code"],
        reason=info["reason"],
        message=status["message"],
        metadata=info["metadata"],
        fields=[violation["field"] for violation in violations],
    )


def _of_grpc(error: grpc.aio.AioRpcError) -> Outcome:
    failed: Any = error  # has what a call has, which its type does not say
    status = rpc_status.from_call(failed)
    if status is None and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Outcome(code=error.code().value[0])  # the caller's own clock, with nobody's reason
    assert status is not None, f"no details: {error.code()} {error.details()}"
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    assert info.domain == "toolmesh.dev"
    return Outcome(
        code=status.code,
        reason=info.reason,
        message=status.message,
        metadata=dict(info.metadata),
        fields=[violation.field for violation in bad.field_violations],
    )
