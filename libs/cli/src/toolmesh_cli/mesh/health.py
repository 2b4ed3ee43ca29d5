"""Asks every process of the mesh whether it can work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import grpc.aio
from grpc_health.v1 import health_pb2

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.programs import GATEWAY, STORE
from toolmesh_client.channels import open_channel

_ANSWER_SECONDS = 1.0
_SECONDS_BETWEEN_TRIES = 0.05
_CHECK = "/grpc.health.v1.Health/Check"


class HealthChecks:
    """Checks the processes of one mesh; made by `open_checks`."""

    def __init__(self, run: str, url: str) -> None:
        self._run = run
        self._url = url

    async def until_healthy(self, process: str) -> None:
        """Waits until a process says that it can work."""
        async with self._prober(process) as probe:
            while not await probe():  # noqa: ASYNC110 - what is awaited is elsewhere
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)

    async def is_healthy(self, process: str) -> bool:
        """Whether a process says that it can work, within a second."""
        async with self._prober(process) as probe:
            return await probe()

    @asynccontextmanager
    async def _prober(self, process: str) -> AsyncGenerator[Any]:
        if process == STORE:
            yield self._store_answers
        elif process == GATEWAY:
            yield self._gateway_answers
        else:
            # One channel for all tries: it keeps the connection that it is making.
            async with open_channel(f"unix:{self._run}/{process}.sock") as channel:

                async def probe() -> bool:
                    return await _is_serving(channel)

                yield probe

    async def _store_answers(self) -> bool:
        answer = await _exchange(
            asyncio.open_unix_connection(f"{self._run}/{STORE}.sock"), b"PING\r\n"
        )
        return answer.startswith(b"+PONG")

    async def _gateway_answers(self) -> bool:
        host, port = urlsplit(self._url).hostname, urlsplit(self._url).port
        request = b"GET /readyz HTTP/1.1\r\nhost: toolmesh\r\nconnection: close\r\n\r\n"
        answer = await _exchange(asyncio.open_connection(host, port), request)
        return answer.startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def open_checks(folder: MeshFolder, url: str) -> AsyncGenerator[HealthChecks]:
    """Health checks for the mesh in `folder` whose gateway is at `url`."""
    with folder.short_run() as run:
        yield HealthChecks(run, url)


async def _exchange(connecting: Any, request: bytes) -> bytes:
    """The first line of the answer; empty when there is none within a second."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await connecting
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    call: Any = channel.unary_unary(
        _CHECK,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer = await call(health_pb2.HealthCheckRequest(), timeout=_ANSWER_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
