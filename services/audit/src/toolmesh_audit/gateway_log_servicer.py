"""Takes the gateway's access log, which Envoy sends as OTLP logs."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import grpc

from toolmesh.audit.v1 import gateway_log_pb2
from toolmesh_audit.chain import Delivery
from toolmesh_audit.events import Event
from toolmesh_audit.gateway_events import call_event
from toolmesh_audit.recorder import Recorder
from toolmesh_serving.errors import Unavailable

EXPORT_PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
# Under the gateway's patience, so that it sends the delivery anew instead of waiting on.
_SECONDS = 20


class GatewayLogServicer:
    """Serves OTLP's `LogsService`, for the gateway alone: see the README on who may reach it.

    A delivery is acknowledged when it is in the chain. Until then the gateway sends it again; that
    it is the same one is known by its bytes, with the ids that the gateway gave the calls.
    """

    def __init__(self, recorder: Recorder, *, side_effects: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._side_effects = side_effects

    async def export(self, content: bytes, context: Any) -> bytes:
        """Records a delivery; `content` is the serialized request."""
        request = gateway_log_pb2.GatewayLogRequest.FromString(content)
        events = [
            self._event(record)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        delivery = Delivery(events, key=hashlib.sha256(content).hexdigest())
        try:
            async with asyncio.timeout(_SECONDS):
                await self._recorder.record(delivery)
        except (Unavailable, TimeoutError):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store does not answer")
        return gateway_log_pb2.GatewayLogResponse().SerializeToString()

    def _event(self, record: gateway_log_pb2.GatewayLogRecord) -> Event:
        return call_event(
            record.body.text.decode(errors="replace").replace("\0", "\ufffd"),
            time=round(record.time_unix_nano / 1e9, 6),
            side_effects=self._side_effects,
        )


def add_gateway_log_to_server(servicer: GatewayLogServicer, server: Any) -> None:
    """Adds the method to a server. The generated OTLP service is not used: see the proto."""
    service, method = EXPORT_PATH.split("/")[1:]
    handlers: dict[str, Any] = {method: grpc.unary_unary_rpc_method_handler(servicer.export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
