"""Traces and metrics by OpenTelemetry, when there is somewhere to send them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from toolmesh_serving.call import Call

_SPAN = "span"


class Telemetry:
    """Spans and durations of calls. Without an endpoint nothing is recorded and calls pay nothing.

    Args:
        tracer: opens spans; None turns tracing off.
        durations: a histogram of seconds; None turns metrics off.
    """

    def __init__(self, tracer: trace.Tracer | None = None, durations: Any = None) -> None:
        self._tracer = tracer
        self._durations = durations
        self.enabled = tracer is not None

    def start_span(self, call: Call) -> None:
        """Opens the call's span as a child of the one that the caller sent along."""
        if self._tracer is None:
            return
        parent = propagate.extract(call.metadata)
        service, _, method = call.method.path.lstrip("/").partition("/")
        span = self._tracer.start_span(
            call.method.path.lstrip("/"),
            context=parent,
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )
        # Never detached: the call has a task of its own, and its context ends with it.
        context.attach(trace.set_span_in_context(span))
        call.state[_SPAN] = span

    def end_span(self, call: Call) -> None:
        """Closes the call's span."""
        span: Any = call.state.pop(_SPAN, None)
        if span is None:
            return
        if call.status is not None:
            span.set_status(StatusCode.ERROR, call.status.message)
            span.set_attribute("rpc.grpc.status_code", call.status.code)
        span.end()

    def record(self, path: str, *, code: str, seconds: float) -> None:
        """Adds a call's duration to the histogram."""
        if self._durations is not None:
            self._durations.record(seconds, {"rpc.method": path, "rpc.code": code})


@asynccontextmanager
async def open_telemetry(endpoint: str, *, service: str) -> AsyncGenerator[Telemetry]:
    """Sends traces and metrics to an OTLP endpoint (gRPC); to nowhere when it is empty."""
    if not endpoint:
        yield Telemetry()
        return
    # The exporters cost memory in every process, and most meshes start without them.
    from toolmesh_serving.otlp import exporting  # noqa: PLC0415

    with exporting(endpoint, service=service) as (tracer, durations):
        yield Telemetry(tracer, durations)
