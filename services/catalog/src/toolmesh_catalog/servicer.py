"""The catalog service's RPCs: protos to domain and back."""

from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from toolmesh.catalog.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    status_pb2,
    status_service_pb2,
    status_service_pb2_grpc,
    tool_pb2,
)
from toolmesh_catalog.health_client import Health, HealthChecks, State
from toolmesh_catalog.tools import ToolEntry, ToolList
from toolmesh_contracts.json_schema import Schema
from toolmesh_serving.caller import current_caller

_JSON = "application/json"
_STATES = {
    State.SERVING: status_pb2.SERVING_STATE_SERVING,
    State.NOT_SERVING: status_pb2.SERVING_STATE_NOT_SERVING,
    State.UNREACHABLE: status_pb2.SERVING_STATE_UNREACHABLE,
}


class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Serves `CatalogService`."""

    def __init__(self, tools: ToolList, openapi: bytes) -> None:
        self._tools = tools
        self._openapi = openapi

    async def ListTools(
        self, request: catalog_service_pb2.ListToolsRequest, context: Any
    ) -> catalog_service_pb2.ListToolsResponse:
        """See the proto."""
        visible = self._tools.visible_to(current_caller().scopes)
        return catalog_service_pb2.ListToolsResponse(tools=[_tool(entry) for entry in visible])

    async def ListMcpTools(
        self, request: catalog_service_pb2.ListMcpToolsRequest, context: Any
    ) -> catalog_service_pb2.ListMcpToolsResponse:
        """See the proto."""
        result = self._tools.mcp_result(current_caller().scopes)
        return catalog_service_pb2.ListMcpToolsResponse(
            result=HttpBody(content_type=_JSON, data=result)
        )

    async def GetOpenApi(
        self, request: catalog_service_pb2.GetOpenApiRequest, context: Any
    ) -> catalog_service_pb2.GetOpenApiResponse:
        """See the proto."""
        return catalog_service_pb2.GetOpenApiResponse(
            document=HttpBody(content_type=_JSON, data=self._openapi)
        )


class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """Serves `StatusService`."""

    def __init__(self, checks: HealthChecks) -> None:
        self._checks = checks

    async def GetStatus(
        self, request: status_service_pb2.GetStatusRequest, context: Any
    ) -> status_service_pb2.GetStatusResponse:
        """See the proto."""
        found = await self._checks.ask_all()
        return status_service_pb2.GetStatusResponse(services=[_status(health) for health in found])


def _tool(entry: ToolEntry) -> tool_pb2.Tool:
    return tool_pb2.Tool(
        name=entry.name,
        title=entry.title,
        description=entry.description,
        method=entry.method,
        http_path=entry.http_path,
        scope=entry.scope or "",
        input_schema=_struct(entry.input_schema),
        output_schema=_struct(entry.output_schema),
        read_only=entry.read_only,
        destructive=entry.destructive,
        open_world=entry.open_world,
    )


def _struct(schema: Schema) -> Struct:
    struct = Struct()
    struct.update(schema)
    return struct


def _status(health: Health) -> status_pb2.ServiceStatus:
    latency = Duration()
    latency.FromMicroseconds(int(health.latency_seconds * 1e6))
    return status_pb2.ServiceStatus(
        service=health.service, state=_STATES[health.state], latency=latency
    )
