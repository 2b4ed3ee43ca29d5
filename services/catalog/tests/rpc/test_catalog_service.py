"""The catalog service as its callers meet it."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable

import grpc.aio
import pytest

from toolmesh.catalog.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    status_pb2,
    status_service_pb2,
    status_service_pb2_grpc,
)
from toolmesh_catalog.service import open_service
from toolmesh_catalog.settings import Settings
from toolmesh_client.channels import open_channel, service_address
from toolmesh_serving.server import RunningServer, running

TokenOf = Callable[..., Awaitable[str]]


@pytest.fixture
async def catalog(
    identity_pattern: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[RunningServer]:
    """A running catalog service that waits longer for others, as a busy machine may need."""
    monkeypatch.setattr("toolmesh_catalog.health_client._ANSWER_SECONDS", 3.0)
    settings = Settings(
        listen=service_address(identity_pattern, "catalog"), address_pattern=identity_pattern
    )
    async with open_service(settings) as service, running(settings, service) as server:
        yield server


@pytest.fixture
async def channel(
    catalog: RunningServer, identity_pattern: str
) -> AsyncGenerator[grpc.aio.Channel]:
    """A channel to it."""
    async with open_channel(service_address(identity_pattern, "catalog")) as channel:
        yield channel


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_lists_tools_of_the_caller(channel: grpc.aio.Channel, token_of: TokenOf) -> None:
    """A viewer sees the reading tools; an auditor, who may call none, sees none."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    request = catalog_service_pb2.ListToolsRequest()
    viewer = await stub.ListTools(request, metadata=_bearer(await token_of("viewer")))
    auditor = await stub.ListTools(request, metadata=_bearer(await token_of("auditor")))
    shown = {tool.name: tool for tool in viewer.tools}
    assert shown["repomap_map"].method == "/toolmesh.repomap.v1.RepomapService/Map"
    assert shown["repomap_map"].http_path == "/v1/repomap:map"
    properties = shown["repomap_map"].input_schema.fields["properties"].struct_value.fields
    assert "workspace" in properties
    assert list(auditor.tools) == []


async def test_lists_tools_for_mcp(channel: grpc.aio.Channel, token_of: TokenOf) -> None:
    """The same list as MCP's JSON."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    answer = await stub.ListMcpTools(
        catalog_service_pb2.ListMcpToolsRequest(), metadata=_bearer(await token_of("viewer"))
    )
    assert answer.result.content_type == "application/json"
    assert "repomap_map" in [tool["name"] for tool in json.loads(answer.result.data)["tools"]]


async def test_openapi_is_public(channel: grpc.aio.Channel) -> None:
    """The OpenAPI document needs no token."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    answer = await stub.GetOpenApi(catalog_service_pb2.GetOpenApiRequest())
    assert json.loads(answer.document.data)["openapi"].startswith("3.1")


async def test_status_tells_who_answers(channel: grpc.aio.Channel, token_of: TokenOf) -> None:
    """Services that run are serving, those that do not are unreachable, in a bounded time."""
    stub = status_service_pb2_grpc.StatusServiceStub(channel)
    answer = await stub.GetStatus(
        status_service_pb2.GetStatusRequest(), metadata=_bearer(await token_of("viewer"))
    )
    states = {status.service: status.state for status in answer.services}
    assert states["identity"] == status_pb2.SERVING_STATE_SERVING
    assert states["catalog"] == status_pb2.SERVING_STATE_SERVING
    assert states["repomap"] == status_pb2.SERVING_STATE_UNREACHABLE
    assert all(0 <= status.latency.ToMilliseconds() < 9000 for status in answer.services)


async def test_status_tells_who_cannot_work(
    channel: grpc.aio.Channel, catalog: RunningServer, token_of: TokenOf
) -> None:
    """A service that says NOT_SERVING is shown as that."""
    await catalog.set_serving(False)
    stub = status_service_pb2_grpc.StatusServiceStub(channel)
    answer = await stub.GetStatus(
        status_service_pb2.GetStatusRequest(), metadata=_bearer(await token_of("viewer"))
    )
    states = {status.service: status.state for status in answer.services}
    assert states["catalog"] == status_pb2.SERVING_STATE_NOT_SERVING


@pytest.mark.parametrize("method", ["ListTools", "ListMcpTools"])
async def test_needs_a_token(channel: grpc.aio.Channel, method: str) -> None:
    """Without a token nothing is listed."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, method)(getattr(catalog_service_pb2, f"{method}Request")())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
