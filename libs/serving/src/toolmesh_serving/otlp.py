"""Sends traces and metrics to an OTLP endpoint."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer


@contextmanager
def exporting(endpoint: str, *, service: str) -> Generator[tuple[Tracer, Histogram]]:
    """A tracer and the histogram of call durations in seconds, flushed when the block ends."""
    resource = Resource.create({"service.name": service, "service.namespace": "toolmesh"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
    meters = MeterProvider(resource=resource, metric_readers=[reader])
    try:
        yield (
            traces.get_tracer("toolmesh"),
            meters.get_meter("toolmesh").create_histogram("rpc.server.duration", unit="s"),
        )
    finally:
        traces.shutdown()
        meters.shutdown()
