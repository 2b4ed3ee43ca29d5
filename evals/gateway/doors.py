"""The doors that are measured, each with the same call: echo a text of 128 characters."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from evals.gateway.load import Request
from evals.gateway.mesh import ECHO_HTTP, ECHO_METHOD, Mesh
from evals.processes import BenchmarkError, Child
from toolmesh_client.by_descriptor import parse_arguments

TEXT = ("where are access tokens validated, and who still holds a stale one? " * 2)[:128]
_ARGUMENTS = {"text": TEXT, "max_tokens": 100}
_TOOL_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": _ARGUMENTS},
}
_JSON = "content-type: application/json"
_MCP = (
    _JSON,
    "accept: application/json, text/event-stream",
    "mcp-protocol-version: 2025-06-18",
)

GRPC_DIRECT = "grpc_direct"
GRPC = "grpc"
GRPC_UNAUDITED = "grpc_unaudited"
HTTP_JSON = "http_json"
HTTP_JSON_UNAUDITED = "http_json_unaudited"
MCP = "mcp"
API_KEY = "api_key"
FASTAPI = "fastapi"
FASTMCP = "fastmcp"
# Those that are compared with each other side by side.
MEASURED_IN_ORDER = (
    GRPC_DIRECT,
    GRPC_UNAUDITED,
    GRPC,
    HTTP_JSON_UNAUDITED,
    HTTP_JSON,
    FASTAPI,
    MCP,
    FASTMCP,
    API_KEY,
)


@dataclass(frozen=True)
class Door:
    """A way to call the echo.

    Attributes:
        servers: the ids of the processes that do the work; their processor time is counted.
        behind: those of the audit log, which works behind the calls; theirs is counted apart.
    """

    key: str
    title: str
    request: Request
    servers: tuple[int, ...]
    behind: tuple[int, ...] = ()


async def mesh_doors(mesh: Mesh) -> list[Door]:
    """The mesh's doors, each tried once with a real client.

    Raises:
        BenchmarkError: one does not give the right answer.
    """
    gateway = f"http://127.0.0.1:{mesh.port}"
    echo, envoy, identity, audit, unaudited = (
        mesh.children[name].pid
        for name in ("echo", "envoy", "identity", "audit", "envoy-unaudited")
    )
    behind = (audit, mesh.valkey_pid)
    bearer = f"authorization: Bearer {mesh.token}"
    direct = await _grpc(mesh, f"unix:{mesh.echo_socket}", socket=mesh.echo_socket)
    through = await _grpc(mesh, f"127.0.0.1:{mesh.port}")
    key = f"x-api-key: {mesh.api_key}"
    folder = mesh.folder
    without = f"http://127.0.0.1:{mesh.unaudited_port}"
    grpc_without = await _grpc(mesh, f"127.0.0.1:{mesh.unaudited_port}")
    json_without = await _json(without + ECHO_HTTP, (_JSON, bearer), folder)
    return [
        Door(GRPC_DIRECT, "gRPC direct to the service", direct, (echo,)),
        Door(GRPC_UNAUDITED, "  gRPC, not audited", grpc_without, (unaudited, echo)),
        Door(GRPC, "gRPC through Envoy", through, (envoy, echo), behind),
        Door(HTTP_JSON_UNAUDITED, "  HTTP/JSON, not audited", json_without, (unaudited, echo)),
        Door(
            HTTP_JSON,
            "HTTP/JSON through Envoy",
            await _json(gateway + ECHO_HTTP, (_JSON, bearer), folder),
            (envoy, echo),
            behind,
        ),
        Door(
            MCP,
            "MCP tools/call through Envoy",
            await _mcp(f"{gateway}/mcp", (*_MCP, bearer), folder),
            (envoy, echo),
            behind,
        ),
        Door(
            API_KEY,
            "HTTP/JSON with an API key",
            await _json(gateway + ECHO_HTTP, (_JSON, key), folder),
            (envoy, echo, identity, mesh.valkey_pid),
            (audit,),
        ),
    ]


async def fastapi_door(mesh: Mesh, child: Child, port: int) -> Door:
    """The peer FastAPI's door; see `mesh_doors`."""
    headers = (_JSON, f"authorization: Bearer {mesh.token}")
    request = await _json(f"http://127.0.0.1:{port}{ECHO_HTTP}", headers, mesh.folder)
    return Door(FASTAPI, "peer: FastAPI + PyJWT", request, (child.pid,))


async def fastmcp_door(mesh: Mesh, child: Child, port: int) -> Door:
    """The peer FastMCP's door; see `mesh_doors`."""
    headers = (*_MCP, f"authorization: Bearer {mesh.token}")
    request = await _mcp(f"http://127.0.0.1:{port}/mcp", headers, mesh.folder)
    return Door(FASTMCP, "peer: FastMCP's server", request, (child.pid,))


async def _grpc(mesh: Mesh, target: str, *, socket: Path | None = None) -> Request:
    said = await mesh.echo_by_grpc(target, TEXT)
    if said != TEXT:
        raise BenchmarkError(f"{target} answered {said!r}")
    method = mesh.contract.by_path[ECHO_METHOD]
    body = mesh.folder / "grpc.body"
    body.write_bytes(_frame(parse_arguments(method, _ARGUMENTS).SerializeToString()))
    answer = method.output_class(text=TEXT).SerializeToString()
    return Request(
        url=f"http://{'localhost' if socket else target}{ECHO_METHOD}",
        headers=(
            "content-type: application/grpc",
            "te: trailers",
            f"authorization: Bearer {mesh.token}",
        ),
        body_file=body,
        http1=False,
        answer_bytes=len(_frame(answer)),
        socket=socket,
    )


def _frame(message: bytes) -> bytes:
    """A message as gRPC puts it on the wire: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(message)) + message


async def _json(url: str, headers: Sequence[str], folder: Path) -> Request:
    answer = await _post(url, headers, _ARGUMENTS)
    if answer.json() != {"text": TEXT, "truncated": False}:
        raise BenchmarkError(f"{url} answered {answer.text}")
    return _http_request(url, headers, folder / "json.body", answer, _ARGUMENTS)


async def _mcp(url: str, headers: Sequence[str], folder: Path) -> Request:
    answer = await _post(url, headers, _TOOL_CALL)
    result = answer.json().get("result", {})
    texts = [part.get("text", "") for part in result.get("content", ())]
    if result.get("isError") or not texts or orjson.loads(texts[0]).get("text") != TEXT:
        raise BenchmarkError(f"{url} answered {answer.text}")
    return _http_request(url, headers, folder / "mcp.body", answer, _TOOL_CALL)


async def _post(url: str, headers: Sequence[str], body: dict[str, Any]) -> httpx.Response:
    fields = dict(header.split(": ", 1) for header in headers)
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, headers=fields, content=orjson.dumps(body))
    if answer.status_code != httpx.codes.OK:
        raise BenchmarkError(f"{url} answered {answer.status_code}: {answer.text}")
    return answer


def _http_request(
    url: str, headers: Sequence[str], file: Path, answer: httpx.Response, body: dict[str, Any]
) -> Request:
    file.write_bytes(orjson.dumps(body))
    return Request(
        url=url,
        headers=tuple(headers),
        body_file=file,
        http1=True,
        answer_bytes=len(answer.content),
    )
