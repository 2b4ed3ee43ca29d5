"""A running workspace service, beside the identity service of the repository's conftest."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub
from toolmesh_client.channels import open_channel, service_address
from toolmesh_serving.server import running
from toolmesh_workspace.service import open_service
from toolmesh_workspace.settings import Settings


@pytest.fixture
async def workspace_address(
    identity_pattern: str, valkey_url: str, tmp_path: Path
) -> AsyncGenerator[str]:
    """The address of a running workspace service."""
    address = service_address(identity_pattern, "workspace")
    settings = Settings(
        listen=address,
        address_pattern=identity_pattern,
        redis_url=valkey_url,
        blob_store=str(tmp_path / "blobs"),
    )
    async with open_service(settings) as service, running(settings, service):
        yield address


@pytest.fixture
async def stub_of(
    workspace_address: str, token_of: Callable[..., Awaitable[str]]
) -> AsyncGenerator[Callable[..., Awaitable[WorkspaceServiceStub]]]:
    """Makes stubs: `await stub_of("ann")` calls in the name of ann, a developer."""
    async with AsyncExitStack() as stack:

        async def stub_of(subject: str, role: str = "developer") -> WorkspaceServiceStub:
            token = await token_of(role, subject=subject)

            async def source() -> str:
                return token

            channel = open_channel(workspace_address, token=source)
            return WorkspaceServiceStub(await stack.enter_async_context(channel))

        yield stub_of


@pytest.fixture
def refusal_of() -> Callable[[grpc.aio.AioRpcError], tuple[str, str, list[str]]]:
    """Tells a failed call's code, reason and the fields at fault."""

    def refusal_of(error: grpc.aio.AioRpcError) -> tuple[str, str, list[str]]:
        call: Any = error  # has what a call has, which its type does not say
        status = rpc_status.from_call(call)
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad)
        assert info.domain == "toolmesh.dev"
        return error.code().name, info.reason, [each.field for each in bad.field_violations]

    return refusal_of
