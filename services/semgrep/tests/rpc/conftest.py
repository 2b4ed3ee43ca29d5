"""A running semgrep service over the real identity and workspace services."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc
from toolmesh_client.channels import open_channel, service_address
from toolmesh_semgrep.service import open_service
from toolmesh_semgrep.settings import Settings
from toolmesh_serving.server import running

TokenOf = Callable[..., Awaitable[str]]
Stub = semgrep_service_pb2_grpc.SemgrepServiceStub


@pytest.fixture
async def start_semgrep(
    identity_pattern: str, tmp_path: Path, token_of: TokenOf
) -> AsyncGenerator[Callable[..., Awaitable[Stub]]]:
    """Starts the service with settings, called by the developer ann: `await start_semgrep(...)`."""
    address = service_address(identity_pattern, "semgrep")
    token = await token_of("developer", subject="ann")

    async def anns_token() -> str:
        return token

    async with AsyncExitStack() as stack:

        async def start(**chosen: Any) -> Stub:
            settings = Settings(
                listen=address,
                address_pattern=identity_pattern,
                data_folder=tmp_path / "semgrep",
                **chosen,
            )
            service = await stack.enter_async_context(open_service(settings))
            await stack.enter_async_context(running(settings, service))
            return Stub(await stack.enter_async_context(open_channel(address, token=anns_token)))

        yield start


@pytest.fixture
async def semgrep(start_semgrep: Callable[..., Awaitable[Stub]]) -> Stub:
    """A running semgrep service with its defaults."""
    return await start_semgrep()


@pytest.fixture
def scan(semgrep: Stub, push_tree: Any) -> Callable[..., Awaitable[pb.ScanResponse]]:
    """Pushes files, when they are given, and scans them."""

    async def scan(
        files: dict[str, str | bytes] | None = None, *, workspace: str = "", **fields: Any
    ) -> pb.ScanResponse:
        if files is not None:
            workspace = (await push_tree(files, workspace=workspace)).id
        return await semgrep.Scan(pb.ScanRequest(workspace=workspace, **fields))

    return scan


@pytest.fixture
def slow_pattern() -> str:
    """A pattern whose every part may match anywhere: on `slow_code` it does not end."""
    return (
        "$A(..., $X, ..., $Y, ..., $Z, ...)\n...\n$B(..., $Y, ..., $X, ..., $W, ...)\n...\n"
        "$C(..., $Z, ..., $X, ...)\n...\nnope($Z)"
    )


@pytest.fixture
def slow_code() -> str:
    """Code for `slow_pattern`, short enough that parsing it takes no time."""
    lines = [
        f"f({', '.join(chr(97 + (line * 7 + place * place) % 8) for place in range(30))})\n"
        for line in range(50)
    ]
    return "".join(lines) + "nope(q)\n"
