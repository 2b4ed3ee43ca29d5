"""Asks the services of the mesh for their health."""

import asyncio
import enum
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from toolmesh_client.channels import open_channel, service_address

_ANSWER_SECONDS = 1.0


class State(enum.Enum):
    """Whether a service answers and can work."""

    SERVING = enum.auto()
    NOT_SERVING = enum.auto()
    UNREACHABLE = enum.auto()


@dataclass(frozen=True, slots=True)
class Health:
    """What a service said, and after how long."""

    service: str
    state: State
    latency_seconds: float


class HealthChecks:
    """The health of every service, asked for at the same time."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._stubs = {
            service: health_pb2_grpc.HealthStub(channel) for service, channel in channels.items()
        }

    async def ask_all(self) -> Sequence[Health]:
        """What each service says within a second, by name."""
        services = sorted(self._stubs)
        return await asyncio.gather(*(self._ask(service) for service in services))

    async def _ask(self, service: str) -> Health:
        begun = time.monotonic()
        try:
            answer = await self._stubs[service].Check(
                health_pb2.HealthCheckRequest(), timeout=_ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError:
            state = State.UNREACHABLE
        else:
            serving = answer.status == health_pb2.HealthCheckResponse.SERVING
            state = State.SERVING if serving else State.NOT_SERVING
        return Health(service=service, state=state, latency_seconds=time.monotonic() - begun)


@asynccontextmanager
async def open_health_checks(
    services: Sequence[str], *, address_pattern: str
) -> AsyncGenerator[HealthChecks]:
    """Opens a channel to each service."""
    async with AsyncExitStack() as stack:
        yield HealthChecks(
            {
                service: await stack.enter_async_context(
                    open_channel(service_address(address_pattern, service))
                )
                for service in services
            }
        )
