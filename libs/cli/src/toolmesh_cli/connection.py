"""Where the mesh is and who calls it: options, environment, sign-in, then the local mesh."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import DEFAULT_URL, local_mesh
from toolmesh_cli.signed_in import SignedIn, SignedInFile

if TYPE_CHECKING:
    import grpc.aio

_CONNECT_SECONDS = 3.0
_REFRESH_SECONDS = 10
_WHO_AM_I_SECONDS = 10
_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")


@dataclass(frozen=True)
class Session:
    """What was said on the command line, and the environment for what was not."""

    url: str | None = None
    api_key_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def target(self) -> "Target":
        """The gateway to call: `--url`, `TOOLMESH_URL`, the mesh on this machine, the default."""
        given = self.url or self.environ.get("TOOLMESH_URL")
        if given:
            return Target.parse(given)
        state = folder.state() if (folder := local_mesh(self.environ)) else None
        return Target.parse(state.url if state else DEFAULT_URL)

    def mesh_name(self) -> str:
        """What is remembered of a mesh stands under this: its folder if `toolmesh up` started it
        on this machine, so that it may move to another port; else its URL.
        """
        url = self.target().url
        folder = local_mesh(self.environ)
        state = folder.state() if folder else None
        return str(folder.path) if folder and state and state.url == url else url

    def credential(self) -> "Credential":
        """What to prove oneself with.

        Raises:
            CliError: there is nothing.
        """
        if self.api_key_file is not None:
            return Credential(_read_key(self.api_key_file), str(self.api_key_file))
        for name in ("TOOLMESH_TOKEN", "TOOLMESH_API_KEY"):
            if value := self.environ.get(name, "").strip():
                return Credential(value, name)
        if given := self.environ.get("TOOLMESH_API_KEY_FILE"):
            return Credential(_read_key(Path(given)), given)
        target = self.target()
        if signed_in := SignedInFile(self.environ).get(target.url):
            return SignedInCredential(origin=f"signed in as {signed_in.user}")
        return self._local_credential(target)

    def _local_credential(self, target: "Target") -> "Credential":
        """The administrator's key of the mesh on this machine, which no other mesh gets to see."""
        folder = local_mesh(self.environ)
        state = folder.state() if folder else None
        if folder and state and state.url == target.url and folder.admin_key_file.exists():
            return Credential(_read_key(folder.admin_key_file), str(folder.admin_key_file))
        if state is None and not (self.url or self.environ.get("TOOLMESH_URL")):
            raise not_running(target)
        raise CliError(
            f"no credential for {target.url}",
            exit_code=ExitCode.DENIED,
            hint="sign in with `toolmesh sign-in USER`, set TOOLMESH_API_KEY or TOOLMESH_TOKEN, "
            "or give --api-key-file FILE",
        )


@dataclass(frozen=True)
class Target:
    """A gateway's address.

    Attributes:
        url: `scheme://host:port`, without a slash at its end.
        address: `host:port`, as gRPC wants it.
        secure: whether TLS is spoken.
    """

    url: str
    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, url: str) -> "Target":
        """Reads a URL.

        Raises:
            CliError: it is none, or has a path.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        usable = parts.scheme in ("http", "https") and parts.hostname and port != -1
        if not usable or parts.path.strip("/") or parts.query:
            raise CliError(
                f"{url!r} is not the URL of a mesh",
                exit_code=ExitCode.USAGE,
                hint="it has a scheme, a host and perhaps a port: https://mesh.example.com",
            )
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        return cls(url=f"{parts.scheme}://{shown}:{port}", host=host, port=port, secure=secure)

    @property
    def address(self) -> str:
        """`host:port`, as gRPC wants it."""
        return self.url.partition("://")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True)
class Credential:
    """An API key or an access token; the gateway tells them apart.

    Attributes:
        origin: where it came from, for messages.
    """

    value: str = field(repr=False)
    origin: str

    @property
    def is_api_key(self) -> bool:
        """Whether it can be exchanged for access tokens."""
        return self.value.startswith("tmk_")

    async def token(self, session: Session) -> str:
        """What to send with a call."""
        return self.value


@dataclass(frozen=True)
class SignedInCredential(Credential):
    """The session of who signed in; its tokens are refreshed when need be."""

    value: str = field(default="", repr=False)
    origin: str = ""

    async def token(self, session: Session) -> str:
        """An access token that is good for a while.

        Raises:
            CliError: the session has ended.
        """
        url = session.target().url
        file = SignedInFile(session.environ)

        async def refresh(known: SignedIn) -> SignedIn:
            async with connected(session, anonymous=True) as channel:
                return await _refresh(channel, known)

        fresh = await file.fresh(url, refresh)
        if fresh is None:
            raise _session_ended()
        return fresh.access_token


@asynccontextmanager
async def connected(
    session: Session, *, anonymous: bool = False
) -> AsyncGenerator["grpc.aio.Channel"]:
    """A channel to the gateway whose calls carry the credential.

    Raises:
        CliError: nothing answers there, or there is no credential.
    """
    target = session.target()
    credential = None if anonymous else session.credential()
    await _check_reachable(target, session.environ)
    import grpc

    from toolmesh_client.channels import open_channel

    if target.is_loopback and _is_proxied(session.environ):
        _bypass_proxy(target.host)
    tls = grpc.ssl_channel_credentials() if target.secure else None

    async def token() -> str:
        return await credential.token(session) if credential else ""

    source = token if credential else None
    async with open_channel(target.address, token=source, credentials=tls) as channel:
        yield channel


async def subject_of(channel: "grpc.aio.Channel") -> str:
    """Who the caller is to the mesh.

    Raises:
        grpc.aio.AioRpcError: the credential is refused.
    """
    from toolmesh.identity.v1 import token_service_pb2 as pb
    from toolmesh.identity.v1 import token_service_pb2_grpc

    stub = token_service_pb2_grpc.TokenServiceStub(channel)
    answer = await stub.WhoAmI(pb.WhoAmIRequest(), timeout=_WHO_AM_I_SECONDS)
    return answer.subject


async def _refresh(channel: "grpc.aio.Channel", known: SignedIn) -> SignedIn:
    import grpc
    import grpc.aio

    from toolmesh.identity.v1 import session_service_pb2 as pb
    from toolmesh.identity.v1 import session_service_pb2_grpc

    stub = session_service_pb2_grpc.SessionServiceStub(channel)
    request = pb.RefreshSessionRequest(refresh_token=known.refresh_token)
    try:
        answer = await stub.RefreshSession(request, timeout=_REFRESH_SECONDS)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise _session_ended() from None
        raise
    return known.refreshed(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_in_seconds=answer.expires_in.ToTimedelta().total_seconds(),
    )


def _session_ended() -> CliError:
    return CliError(
        "your session has ended",
        exit_code=ExitCode.DENIED,
        hint="sign in again with `toolmesh sign-in USER`, or forget it with `toolmesh sign-out`",
    )


def not_running(target: Target) -> CliError:
    """The failure when nothing answers at a gateway's address."""
    if target.is_loopback:
        hint = "start it with `make up` (or `toolmesh up`), or name another with --url"
    else:
        hint = "check the URL and the network"
    return CliError(
        f"the mesh at {target.url} is not running", exit_code=ExitCode.UNAVAILABLE, hint=hint
    )


async def _check_reachable(target: Target, environ: Mapping[str, str]) -> None:
    """Fails at once where gRPC would wait for the mesh until the call's time is over."""
    if _is_proxied(environ) and not target.is_loopback:
        return
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except (OSError, TimeoutError):
        raise not_running(target) from None
    writer.close()


def _is_proxied(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in _PROXY_VARIABLES)


def _bypass_proxy(host: str) -> None:
    """gRPC would send even calls to this machine through a proxy that the environment names."""
    # The names are gRPC's, and it reads them in lower case.
    excluded = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy")  # noqa: SIM112
    os.environ["no_grpc_proxy"] = f"{excluded},{host}" if excluded else host  # noqa: SIM112


def _read_key(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"the API key in {path} cannot be read: {getattr(error, 'strerror', 'not text')}",
            exit_code=ExitCode.DENIED,
        ) from error
    if not key:
        raise CliError(f"{path} is empty, not an API key", exit_code=ExitCode.DENIED)
    return key
