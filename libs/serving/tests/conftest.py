"""A small service with every kind of method, and tokens for it."""

import importlib
import shutil
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc.aio
import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from toolmesh_contracts.build import collect_google_protos, compile_protos
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.server import RunningServer, Service, Servicer, running
from toolmesh_serving.settings import ServingSettings

TESTS = Path(__file__).parent


class Signer:
    """Signs tokens as the identity service does."""

    def __init__(self, kid: str = "key-1") -> None:
        self.kid = kid
        self.private = ec.generate_private_key(ec.SECP256R1())

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        jwk: Any = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to None removes a claim."""
        now = int(time.time())
        claims = {
            "iss": "https://toolmesh.dev",
            "aud": "toolmesh",
            "sub": "ann",
            "sid": "key:1",
            "jti": "1",
            "scope": "parrot:use",
            "roles": ["developer"],
            "iat": now,
            "exp": now + 900,
        }
        return {key: value for key, value in (claims | changes).items() if value is not None}

    def token(self, **changes: Any) -> str:
        """A good token, but for the changes to its claims."""
        headers = {"kid": self.kid}
        return jwt.encode(self.claims(**changes), self.private, algorithm="ES256", headers=headers)

    def verifier(self) -> AccessTokenVerifier:
        """Trusts this signer."""

        async def fetch() -> dict[str, Any]:
            return self.key_set()

        return AccessTokenVerifier(
            FetchedKeys(fetch), issuer="https://toolmesh.dev", audience="toolmesh"
        )


@dataclass(frozen=True)
class Served:
    """A running service, a channel to it, its stub and its messages."""

    server: RunningServer
    channel: grpc.aio.Channel
    stub: Any
    pb2: Any


@pytest.fixture
def signer() -> Signer:
    """Signs tokens that the served parrot trusts."""
    return Signer()


@pytest.fixture
def bearer(signer: Signer) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a good token."""
    return (("authorization", f"Bearer {signer.token()}"),)


@pytest.fixture
def make_signer() -> Callable[..., Signer]:
    """Makes further signers, with keys of their own."""
    return Signer


@pytest.fixture(scope="session")
def parrot_stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stubs of the parrot service, to be put on the import path."""
    folder = tmp_path_factory.mktemp("parrot")
    include = folder / "include"
    collect_google_protos(include)
    options = Path("toolmesh/options/v1/options.proto")
    (include / options).parent.mkdir(parents=True)
    shutil.copyfile(TESTS.parents[2] / "proto" / options, include / options)
    out = folder / "src"
    compile_protos(proto=TESTS / "proto", include=include, out=out)
    (out / "toolmesh/descriptors.binpb").unlink()  # that of the mesh is meant
    return out


@pytest.fixture(scope="session")
def parrot(parrot_stubs: Path) -> Generator[SimpleNamespace]:
    """The generated modules `pb2` and `grpc` of the parrot service."""
    sys.path.append(str(parrot_stubs))
    yield SimpleNamespace(
        pb2=importlib.import_module("toolmesh.parrot.v1.parrot_service_pb2"),
        grpc=importlib.import_module("toolmesh.parrot.v1.parrot_service_pb2_grpc"),
    )
    sys.path.remove(str(parrot_stubs))


@pytest.fixture
async def serve(
    parrot: SimpleNamespace, signer: Signer
) -> AsyncGenerator[Callable[..., Awaitable[Served]]]:
    """Serves parrots: `await serve({"Say": work}, **settings)`."""
    async with AsyncExitStack() as stack:

        async def serve(
            methods: dict[str, Any],
            *,
            verifier: AccessTokenVerifier | None = None,
            credentials: grpc.ChannelCredentials | None = None,
            **settings: Any,
        ) -> Served:
            instance = parrot.grpc.ParrotServiceServicer()
            for name, work in methods.items():
                setattr(instance, name, work)
            add = parrot.grpc.add_ParrotServiceServicer_to_server
            service = Service(
                name="parrot",
                servicers=(Servicer(add, instance),),
                verifier=verifier or signer.verifier(),
            )
            settings.setdefault("listen", "127.0.0.1:0")
            server = await stack.enter_async_context(running(ServingSettings(**settings), service))
            address = f"127.0.0.1:{server.port}"
            channel = await stack.enter_async_context(
                grpc.aio.secure_channel(address, credentials)
                if credentials
                else grpc.aio.insecure_channel(address)
            )
            return Served(server, channel, parrot.grpc.ParrotServiceStub(channel), parrot.pb2)

        yield serve


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Generator[list[Any]]:
    """All that is logged: by structlog, and the lines of calls, which test_process has for real."""
    with structlog.testing.capture_logs() as entries:

        def write(event: Any) -> None:
            entries.append({**event, "log_level": "info"})

        monkeypatch.setattr("toolmesh_serving.server.line_writer", lambda *_, **__: write)
        yield entries


@pytest.fixture
def unused_address() -> Generator[str]:
    """An address where nothing listens, kept from others while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
