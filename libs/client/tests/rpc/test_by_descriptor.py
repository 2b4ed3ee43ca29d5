"""Calls by descriptor: any method of the contract, without code of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from toolmesh.workspace.v1 import workspace_service_pb2
from toolmesh_client.by_descriptor import call_method, parse_arguments, stream_method
from toolmesh_client.channels import open_channel, service_address
from toolmesh_contracts.contract import Contract

CONTRACT = Contract.load()
MAP = CONTRACT.by_path["/toolmesh.repomap.v1.RepomapService/Map"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"workspace": "w", "max_tokens": 5, "focus_paths": ["a.py"]},
        {"workspace": "w", "maxTokens": 5, "focusPaths": ["a.py"]},
        {"workspace": "w", "maxTokens": "5", "focusPaths": ["a.py"]},
    ],
)
def test_arguments_become_a_request(arguments: dict[str, Any]) -> None:
    """Names may be the proto's or JSON's."""
    request: Any = parse_arguments(MAP, arguments)

    assert (request.workspace, request.max_tokens) == ("w", 5)
    assert list(request.focus_paths) == ["a.py"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"workspaces": "w"}, "workspaces"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"maxTokens": 1.5}, "maxTokens"),
        ({"maxTokens": 2**40}, "maxTokens"),
        ({"maxTokens": [1]}, "maxTokens"),
        ({"workspace": 5}, "workspace"),
        ({"workspace": {"id": "w"}}, "workspace"),
        ({"focusPaths": "a.py"}, "focusPaths"),
        ({"focusPaths": [1]}, "focusPaths"),
        ({"focusPaths": [None]}, "focusPaths"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(arguments: dict[str, Any], name: str) -> None:
    """Whoever wrote the arguments, a person or an LLM, learns which one is wrong."""
    with pytest.raises(ValueError, match=name):
        parse_arguments(MAP, arguments)


async def test_a_unary_method_is_called(
    identity_pattern: str, token_of: Callable[..., Awaitable[str]]
) -> None:
    """The answer has the method's own type and fields."""
    method = CONTRACT.by_path["/toolmesh.identity.v1.TokenService/WhoAmI"]
    token = await token_of("viewer", subject="ann")

    async def source() -> str:
        return token

    address = service_address(identity_pattern, "identity")
    async with open_channel(address, token=source) as channel:
        answer: Any = await call_method(channel, method, parse_arguments(method, {}))
        assert answer.subject == "ann"
        assert answer.DESCRIPTOR.full_name == "toolmesh.identity.v1.WhoAmIResponse"

        unknown = CONTRACT.by_path["/toolmesh.catalog.v1.CatalogService/ListTools"]
        with pytest.raises(grpc.aio.AioRpcError):
            await call_method(channel, unknown, parse_arguments(unknown, {}))


async def manifest(request: Any, context: Any) -> AsyncIterator[Any]:
    """Streams two answers that carry the time that the caller left, and then fails."""
    for _ in range(2):
        left = int(context.time_remaining())
        yield workspace_service_pb2.GetManifestResponse(snapshot=f"{request.workspace} {left}")
    await context.abort(grpc.StatusCode.NOT_FOUND, "no more")


async def test_a_streaming_method_yields_its_answers(socket_folder: Path, failure_of: Any) -> None:
    """Answers come one by one, then the error if there is one; the method's timeout holds."""
    address = f"unix:{socket_folder}/workspace.sock"
    method = CONTRACT.by_path["/toolmesh.workspace.v1.WorkspaceService/GetManifest"]
    server: Any = grpc.aio.server()  # the stubs lack the next method
    handler = grpc.unary_stream_rpc_method_handler(
        manifest,
        request_deserializer=workspace_service_pb2.GetManifestRequest.FromString,
        response_serializer=workspace_service_pb2.GetManifestResponse.SerializeToString,
    )
    server.add_registered_method_handlers(
        "toolmesh.workspace.v1.WorkspaceService", {"GetManifest": handler}
    )
    server.add_insecure_port(address)
    await server.start()
    seen: list[str] = []

    async def read(channel: grpc.aio.Channel) -> None:
        request = parse_arguments(method, {"workspace": "w"})
        async for answer in stream_method(channel, method, request):
            seen.append(getattr(answer, "snapshot", ""))

    async with open_channel(address) as channel:
        failure = await failure_of(read(channel))
    await server.stop(None)

    assert (failure.code, failure.message) == (grpc.StatusCode.NOT_FOUND, "no more")
    assert len(seen) == 2
    assert all(0 < int(text.split()[1]) <= method.policy.timeout_seconds for text in seen)
