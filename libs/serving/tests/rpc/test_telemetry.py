"""Traces and metrics: what reaches a real OTLP receiver."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from toolmesh_serving.server import Service, Servicer, running
from toolmesh_serving.settings import ServingSettings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = (("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01"),)


@dataclass
class Receiver:
    """An OTLP receiver: its address and what it got."""

    endpoint: str = ""
    resources: list[dict[str, str]] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            attributes = resource.resource.attributes
            self._receiver.resources.append({a.key: a.value.string_value for a in attributes})
            for scope in resource.scope_spans:
                self._receiver.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self._receiver.metrics.extend(scope.metrics)
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A real OTLP receiver, in threads, since the last export blocks the event loop."""
    receiver = Receiver()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Traces(receiver), server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(receiver), server)
        receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield receiver
        server.stop(None).wait()


async def test_spans_and_durations_reach_the_receiver(
    receiver: Receiver,
    parrot: SimpleNamespace,
    signer: Any,
    bearer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each call is a span that continues its caller's trace, and counts in the histogram."""
    inside: list[Any] = []

    async def say(request: Any, context: Any) -> Any:
        inside.append(trace.get_current_span().get_span_context())
        if request.text == "fail":
            raise RuntimeError
        return parrot.pb2.SayResponse()

    async def recite(request: Any, context: Any) -> Any:
        for _ in range(3 if request.text == "hi" else 100_000):
            inside.append(trace.get_current_span().get_span_context())
            yield parrot.pb2.SayResponse(text="x" * 100_000)

    instance = parrot.grpc.ParrotServiceServicer()
    instance.Say, instance.Recite = say, recite
    add = parrot.grpc.add_ParrotServiceServicer_to_server
    settings = ServingSettings(listen="127.0.0.1:0", otlp_endpoint=receiver.endpoint)
    service = Service("parrot", servicers=(Servicer(add, instance),), verifier=signer.verifier())
    async with (
        running(settings, service) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = parrot.grpc.ParrotServiceStub(channel)
        request = parrot.pb2.SayRequest
        await stub.Say(request(text="hi"), metadata=(*bearer, *TRACEPARENT))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Say(request(text="fail"), metadata=bearer)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Say(request(text="hi"))
        async for _ in stub.Recite(request(text="hi"), metadata=bearer):
            pass
        cut_off = stub.Recite(request(text="long"), metadata=bearer)
        await cut_off.read()
        cut_off.cancel()
        await server.drain(drain_seconds=0, grace_seconds=5)

    # gRPC may log that it could not send the rest to a caller who left.
    complaints = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert complaints == []
    said, failed, refused, recited, cancelled = receiver.spans
    assert said.name == "toolmesh.parrot.v1.ParrotService/Say"
    assert said.trace_id.hex() == TRACE_ID
    assert said.parent_span_id.hex() == PARENT_ID
    assert said.kind == said.SPAN_KIND_SERVER
    assert {a.key: a.value.string_value for a in said.attributes} == {
        "rpc.system": "grpc",
        "rpc.service": "toolmesh.parrot.v1.ParrotService",
        "rpc.method": "Say",
    }
    assert inside[0].span_id.to_bytes(8, "big") == said.span_id
    assert {span.span_id for span in inside[2:5]} == {int.from_bytes(recited.span_id, "big")}
    assert failed.parent_span_id == b""
    for span, code in ((failed, 13), (refused, 16)):
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert ("rpc.grpc.status_code", code) in [
            (a.key, a.value.int_value) for a in span.attributes
        ]
    for span in (said, recited, cancelled):
        assert span.status.code == span.status.STATUS_CODE_UNSET
    assert receiver.resources[0]["service.name"] == "parrot"
    assert receiver.resources[0]["service.namespace"] == "toolmesh"
    (durations,) = receiver.metrics
    assert durations.name == "rpc.server.duration"
    counts = {
        (a["rpc.method"].rpartition("/")[2], a["rpc.code"]): point.count
        for point in durations.histogram.data_points
        for a in [{a.key: a.value.string_value for a in point.attributes}]
    }
    assert counts == {
        ("Say", "OK"): 1,
        ("Say", "INTERNAL"): 1,
        ("Say", "UNAUTHENTICATED"): 1,
        ("Recite", "OK"): 1,
        ("Recite", "CANCELLED"): 1,
    }


async def test_without_a_receiver_nothing_is_recorded(
    serve: Any, parrot: SimpleNamespace, bearer: Any
) -> None:
    """Calls have no span, though their caller has a trace."""

    async def say(request: Any, context: Any) -> Any:
        assert not trace.get_current_span().get_span_context().is_valid
        return parrot.pb2.SayResponse()

    served = await serve({"Say": say})
    request = parrot.pb2.SayRequest(text="hi")
    await served.stub.Say(request, metadata=(*bearer, *TRACEPARENT))
