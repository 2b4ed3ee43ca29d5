"""A running workspace service, beside the identity service of the repository's conftest."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from jwt.algorithms import ECAlgorithm

from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub
from toolmesh_client.channels import open_channel, service_address
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.server import running
from toolmesh_workspace.service import open_service
from toolmesh_workspace.settings import Settings


@pytest.fixture
def workspace_settings(identity_pattern: str, valkey_url: str, tmp_path: Path) -> Settings:
    """The settings of the running workspace service."""
    return Settings(
        listen=service_address(identity_pattern, "workspace"),
        address_pattern=identity_pattern,
        redis_url=valkey_url,
        blob_store=str(tmp_path / "blobs"),
        workspace_max_pushes=3,
    )


@pytest.fixture
async def workspace_address(workspace_settings: Settings) -> AsyncGenerator[str]:
    """The address of a running workspace service that takes three pushes at once."""
    async with (
        open_service(workspace_settings) as service,
        running(workspace_settings, service),
    ):
        yield workspace_settings.listen


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
async def stub(stub_of: Callable[..., Awaitable[Any]]) -> Any:
    """Calls in the name of ann."""
    return await stub_of("ann")


@pytest.fixture
async def workspace(stub: Any) -> str:
    """The id of an empty workspace of ann's."""
    made = await stub.CreateWorkspace(pb.CreateWorkspaceRequest(display_name="x"))
    return made.workspace.id


@pytest.fixture
async def delegate_of(
    workspace_address: str, workspace_settings: Settings, socket_folder: Path
) -> AsyncGenerator[Callable[..., Awaitable[WorkspaceServiceStub]]]:
    """Makes stubs with delegated tokens: `await delegate_of("ann", workspaces=[...])`.

    They call a second replica, which trusts keys of the test instead of identity's, so that a token
    can have any claims.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    jwk: Any = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)

    async def fetch() -> dict[str, Any]:
        return {"keys": [{**jwk, "kid": "1", "use": "sig", "alg": "ES256"}]}

    settings = workspace_settings.model_copy(
        update={"listen": f"unix:{socket_folder}/workspace-2.sock"}
    )
    verifier = AccessTokenVerifier(
        FetchedKeys(fetch), issuer=settings.issuer, audience=settings.audience
    )
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(settings))
        await stack.enter_async_context(running(settings, replace(service, verifier=verifier)))

        async def delegate_of(subject: str, **claims: Any) -> WorkspaceServiceStub:
            now = int(time.time())
            told = {
                "iss": settings.issuer,
                "aud": settings.audience,
                "sub": subject,
                "sid": "delegation:1",
                "jti": "1",
                "scope": "workspace:read workspace:write workspace:admin",
                "iat": now,
                "exp": now + 600,
                "act": {"sub": "agent"},
            } | claims
            token = jwt.encode(told, key, algorithm="ES256", headers={"kid": "1"})

            async def source() -> str:
                return token

            channel = open_channel(settings.listen, token=source)
            return WorkspaceServiceStub(await stack.enter_async_context(channel))

        yield delegate_of


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
