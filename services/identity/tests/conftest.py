"""A running identity service and what its tests need of it."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import structlog

from toolmesh.identity.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    gateway_check_pb2,
    revocation_service_pb2_grpc,
    role_service_pb2_grpc,
    session_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import open_channel
from toolmesh_identity.gateway_servicer import CHECK_PATH
from toolmesh_identity.service import open_service
from toolmesh_identity.settings import Settings
from toolmesh_serving.redis_store import Store, open_store
from toolmesh_serving.server import running


@dataclass(frozen=True)
class Identity:
    """A running service, called as its administrator, and as nobody.

    Attributes:
        tokens, public_keys: stubs that send no token.
        keys, roles, whoami, users: stubs that send the administrator's.
        sessions, revocations: stubs that send none.
    """

    settings: Settings
    address: str
    admin_key: str
    tokens: token_service_pb2_grpc.TokenServiceStub
    public_keys: api_key_service_pb2_grpc.ApiKeyServiceStub
    keys: api_key_service_pb2_grpc.ApiKeyServiceStub
    roles: role_service_pb2_grpc.RoleServiceStub
    whoami: token_service_pb2_grpc.TokenServiceStub
    check_call: Any
    users: user_service_pb2_grpc.UserServiceStub
    sessions: session_service_pb2_grpc.SessionServiceStub
    revocations: revocation_service_pb2_grpc.RevocationServiceStub
    public: grpc.aio.Channel

    async def make_user(
        self, user_id: str, *roles: str, password: str = ""
    ) -> user_service_pb2.CreateUserResponse:
        """Makes a user."""
        request = user_service_pb2.CreateUserRequest(id=user_id, roles=roles, password=password)
        return await self.users.CreateUser(request)

    async def make_key(
        self, *roles: str, **fields: Any
    ) -> api_key_service_pb2.CreateApiKeyResponse:
        """Makes an API key."""
        request = api_key_service_pb2.CreateApiKeyRequest(
            display_name="test", subject="ann", roles=roles, **fields
        )
        return await self.keys.CreateApiKey(request)

    async def exchange(self, key: str, *scopes: str) -> token_service_pb2.ExchangeTokenResponse:
        """Exchanges an API key for a token."""
        request = token_service_pb2.ExchangeTokenRequest(api_key=key, scopes=scopes)
        return await self.tokens.ExchangeToken(request)

    async def check(self, **headers: str) -> gateway_check_pb2.GatewayCheckResponse:
        """Asks as the gateway does; underscores in names stand for dashes."""
        request = gateway_check_pb2.GatewayCheckRequest()
        for name, value in headers.items():
            request.attributes.request.http.headers[name.replace("_", "-")] = value
        return await self.check_call(request)


@asynccontextmanager
async def _identity(settings: Settings) -> AsyncGenerator[Identity]:
    async with open_service(settings) as service, running(settings, service) as server:
        address = f"127.0.0.1:{server.port}"
        key = settings.admin_key_file.read_text().strip()
        async with (
            open_channel(address) as public,
            open_channel(address, token=ApiKeyTokens(public, key)) as admin,
        ):
            check: Any = public.unary_unary(
                CHECK_PATH,
                request_serializer=gateway_check_pb2.GatewayCheckRequest.SerializeToString,
                response_deserializer=gateway_check_pb2.GatewayCheckResponse.FromString,
            )
            yield Identity(
                settings=settings,
                address=address,
                admin_key=key,
                tokens=token_service_pb2_grpc.TokenServiceStub(public),
                public_keys=api_key_service_pb2_grpc.ApiKeyServiceStub(public),
                keys=api_key_service_pb2_grpc.ApiKeyServiceStub(admin),
                roles=role_service_pb2_grpc.RoleServiceStub(admin),
                whoami=token_service_pb2_grpc.TokenServiceStub(admin),
                check_call=check,
                users=user_service_pb2_grpc.UserServiceStub(admin),
                sessions=session_service_pb2_grpc.SessionServiceStub(public),
                revocations=revocation_service_pb2_grpc.RevocationServiceStub(public),
                public=public,
            )


@pytest.fixture
def make_settings(valkey_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a store and files of this test; keywords change them."""

    def make_settings(**changes: Any) -> Settings:
        given: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "redis_url": valkey_url,
            "secret_file": tmp_path / "identity/secret.key",
            "admin_key_file": tmp_path / "identity/admin.key",
            "sign_in_delay_seconds": 0.001,
        }
        return Settings(**(given | changes))

    return make_settings


@pytest.fixture
def run_identity() -> Callable[[Settings], Any]:
    """Runs an identity service: `async with run_identity(settings) as identity`."""
    return _identity


@pytest.fixture
async def identity(make_settings: Callable[..., Settings]) -> AsyncGenerator[Identity]:
    """A running identity service."""
    async with _identity(make_settings()) as identity:
        yield identity


@pytest.fixture
async def store(valkey_url: str) -> AsyncGenerator[Store]:
    """An empty store."""
    async with open_store(valkey_url, decode_responses=False) as store:
        yield store


@pytest.fixture
def logs() -> Generator[list[Any]]:
    """What is logged during the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def issuers_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the file of issuers: `issuers_file(issuer, ...)`, with settings of each as text."""

    def issuers_file(*issuers: tuple[str, str]) -> Path:
        path = tmp_path / "issuers.toml"
        path.write_text(
            "\n".join(
                f'[[issuers]]\nissuer = "{url}"\naudiences = ["toolmesh"]\n{more}'
                for url, more in issuers
            )
        )
        return path

    return issuers_file
