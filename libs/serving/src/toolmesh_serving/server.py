"""Starts a service, keeps it healthy and ends it without losing a call."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
import structlog
import uvloop
from grpc_health.v1 import _async as async_health
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from toolmesh_serving.access_token import AccessTokenVerifier
from toolmesh_serving.logs import configure_logs, line_writer
from toolmesh_serving.pipeline import Pipeline
from toolmesh_serving.settings import ServingSettings
from toolmesh_serving.stages import standard_stages
from toolmesh_serving.telemetry import open_telemetry

_log = structlog.get_logger()
_Settings = TypeVar("_Settings", bound=ServingSettings)

_MAX_METADATA_BYTES = 16 * 1024
_UNWINDING_SECONDS = 2.0

# Open to anyone: they tell what the public protos tell, and probes have no tokens.
_OPEN_PATHS = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    }
)


@dataclass(frozen=True)
class Servicer:
    """A servicer and the generated function that adds it to a server."""

    add: Callable[[Any, Any], None]
    instance: object


@dataclass(frozen=True)
class Service:
    """A deployable, put together and ready to be served.

    Attributes:
        name: as in `services/<name>`, for logs and telemetry.
        open_paths: gRPC paths besides health and reflection that need no policy.
        on_drain: called when the drain begins, to end calls that only wait for news.
    """

    name: str
    servicers: Sequence[Servicer]
    verifier: AccessTokenVerifier
    open_paths: frozenset[str] = frozenset()
    on_drain: Callable[[], None] | None = None


class RunningServer:
    """A server that answers.

    Attributes:
        port: the port that was bound; 0 for a Unix socket.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        pipeline: Pipeline,
        *,
        port: int,
        checks: async_health.HealthServicer,
    ) -> None:
        self._server = server
        self._pipeline = pipeline
        self._checks = checks
        self.port = port

    async def set_serving(self, serving: bool) -> None:
        """Says whether the service can work, to those who ask for its health."""
        states = health_pb2.HealthCheckResponse
        await self._checks.set("", states.SERVING if serving else states.NOT_SERVING)

    async def drain(self, *, drain_seconds: float, grace_seconds: float) -> None:
        """Says NOT_SERVING, waits for the endpoints to notice, and finishes what runs."""
        await self._checks.enter_graceful_shutdown()
        await asyncio.sleep(drain_seconds)
        await self.stop(grace_seconds)

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Takes no more calls, and cuts off those that still run after the grace time."""
        await self._server.stop(grace_seconds)
        if not await self._pipeline.ended(within_seconds=_UNWINDING_SECONDS):
            _log.warning("stopped before the last calls had ended")


@asynccontextmanager
async def running(settings: ServingSettings, service: Service) -> AsyncGenerator[RunningServer]:
    """Serves until the block ends, then stops at once.

    Raises:
        RuntimeError: the address cannot be bound.
    """
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(
            open_telemetry(settings.otlp_endpoint, service=service.name)
        )
        write = line_writer(settings.log_level, service=service.name)
        stages = standard_stages(service.verifier, telemetry, write)
        pipeline = Pipeline(stages, open_paths=_OPEN_PATHS | service.open_paths)
        server = grpc.aio.server(interceptors=[pipeline], options=_options(settings))
        checks = _register(server, service.servicers)
        running_server = RunningServer(
            server, pipeline, port=_bind(server, settings), checks=checks
        )
        await server.start()
        stack.push_async_callback(running_server.stop)
        yield running_server


async def serve(settings: ServingSettings, service: Service) -> None:
    """Serves until SIGTERM or SIGINT, then drains: no call that was accepted is lost."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, service) as server:
        _log.info("serving", listen=settings.listen)
        await stop.wait()
        _log.info("draining")
        if service.on_drain is not None:
            service.on_drain()
        await server.drain(
            drain_seconds=settings.drain_seconds, grace_seconds=settings.grace_seconds
        )
    _log.info("stopped")


def run_service(
    name: str,
    load_settings: Callable[[], _Settings],
    open_service: Callable[[_Settings], AbstractAsyncContextManager[Service]],
) -> None:
    """Settings, logs, dependencies, serving, an orderly end; see `toolmesh_serving.main`.

    A service that cannot start says why in one log line and exits with 1.

    Args:
        name: the service's name.
        load_settings: reads the settings.
        open_service: opens what the service needs and closes it at the end.
    """

    async def main() -> None:
        async with open_service(settings) as service:
            _collect_garbage_less_often()
            await serve(settings, service)

    configure_logs("info", service=name)  # for what goes wrong before the settings are known
    try:
        settings = load_settings()
        configure_logs(settings.log_level, service=name)
        uvloop.run(main())
    except Exception as error:
        _log.exception("cannot run", service=name, error=str(error))
        sys.exit(1)


def _collect_garbage_less_often() -> None:
    # Python looks for unreachable cycles after each 700 new objects, which is every few calls, and
    # now and then through all modules as well. Those stay; calls leave hardly any cycles behind.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _register(
    server: grpc.aio.Server, servicers: Sequence[Servicer]
) -> async_health.HealthServicer:
    checks = async_health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = _NameRecorder(server)
    for servicer in servicers:
        servicer.add(servicer.instance, names)
    reflection.enable_server_reflection(
        [*names.services, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    return checks


class _NameRecorder:
    """Stands between generated code and the server, to learn the services' names."""

    def __init__(self, server: Any) -> None:  # the stubs lack one of the two methods
        self._server = server
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        self.services.append(service)
        self._server.add_registered_method_handlers(service, handlers)


def _options(settings: ServingSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Between its two limits gRPC refuses headers by chance, so a call would fail now and then.
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        # Two servers on one port would each get half of the calls; better to fail at the start.
        ("grpc.so_reuseport", 0),
        # Envoy and clients ping to keep quiet connections open; that is no reason to hang up.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _bind(server: grpc.aio.Server, settings: ServingSettings) -> int:
    if settings.tls_certificate is None or settings.tls_key is None:
        return server.add_insecure_port(settings.listen)
    authority = settings.tls_client_ca
    credentials = grpc.ssl_server_credentials(
        [(_read(settings.tls_key), _read(settings.tls_certificate))],
        root_certificates=_read(authority) if authority else None,
        require_client_auth=authority is not None,
    )
    return server.add_secure_port(settings.listen, credentials)


def _read(path: Path) -> bytes:
    return path.read_bytes()
