"""The service that the benchmark calls: a mesh service like any other, with next to no work."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

# Generated when the benchmark starts.
from toolmesh.echo.v1 import (  # ty: ignore[import-not-found]
    echo_service_pb2,
    echo_service_pb2_grpc,
)
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.server import Service, Servicer, run_service
from toolmesh_serving.settings import ServingSettings


class EchoServicer(echo_service_pb2_grpc.EchoServiceServicer):
    """Serves `EchoService`."""

    async def Echo(self, request: Any, context: Any) -> Any:
        """See the proto."""
        return echo_service_pb2.EchoResponse(text=request.text)


@asynccontextmanager
async def open_service(settings: ServingSettings) -> AsyncGenerator[Service]:
    """Opens what the service needs."""
    async with open_verifier(settings) as verifier:
        add = echo_service_pb2_grpc.add_EchoServiceServicer_to_server
        yield Service(name="echo", servicers=(Servicer(add, EchoServicer()),), verifier=verifier)


if __name__ == "__main__":
    run_service("echo", ServingSettings, open_service)
