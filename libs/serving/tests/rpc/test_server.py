"""The server: health, reflection, TLS, the orderly end."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from toolmesh_serving.server import Service, Servicer, running, serve
from toolmesh_serving.settings import ServingSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_is_told_without_a_token(serve: Any) -> None:
    """Probes have none; a service that cannot work says so."""
    served = await serve({})
    health = health_pb2_grpc.HealthStub(served.channel)
    request = health_pb2.HealthCheckRequest()
    assert (await health.Check(request)).status == SERVING

    await served.server.set_serving(False)
    assert (await health.Check(request)).status == NOT_SERVING
    assert [change.status async for change in _first(health.Watch(request), 1)] == [NOT_SERVING]

    await served.server.set_serving(True)
    assert (await health.Check(request)).status == SERVING


async def test_methods_are_described_without_a_token(serve: Any) -> None:
    """Reflection names the services and gives their protos."""
    served = await serve({})
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    name = "toolmesh.parrot.v1.ParrotService"
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=name),
    ]
    listed, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]

    assert {service.name for service in listed.list_services_response.service} == {
        name,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    found = descriptor_pb2.FileDescriptorProto.FromString(
        file.file_descriptor_response.file_descriptor_proto[0]
    )
    assert found.package == "toolmesh.parrot.v1"


async def test_an_unknown_method_does_not_exist(serve: Any, bearer: Any) -> None:
    """Unknown paths are UNIMPLEMENTED, with a token and without."""
    served = await serve({})
    for path in ("/toolmesh.parrot.v1.ParrotService/Fly", "/nobody.Knows/It"):
        for metadata in (bearer, ()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await served.channel.unary_unary(path)(b"", metadata=metadata)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused(serve: Any, bearer: Any) -> None:
    """The service takes no larger message than its settings say, and lives on."""
    served = await serve({}, max_message_bytes=1000)
    request = served.pb2.SayRequest(text="x" * 2000)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Say(request, metadata=bearer)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    health = health_pb2_grpc.HealthStub(served.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING


async def test_an_address_that_is_taken_is_refused(serve: Any) -> None:
    """Two services on one port would each get half of the calls."""
    served = await serve({})

    with pytest.raises(RuntimeError, match=r"Failed to bind"):
        await serve({}, listen=f"127.0.0.1:{served.server.port}")


async def test_a_unix_socket_is_served(
    parrot: SimpleNamespace, signer: Any, bearer: Any, socket_folder: Path
) -> None:
    """Locally every service listens on one."""
    address = f"unix:{socket_folder}/parrot.sock"

    async def say(request: Any, context: Any) -> Any:
        return parrot.pb2.SayResponse(text="hello")

    settings = ServingSettings(listen=address)
    async with (
        running(settings, parrot_service(parrot, signer, {"Say": say})) as server,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = parrot.grpc.ParrotServiceStub(channel)
        answer = await stub.Say(parrot.pb2.SayRequest(text="hi"), metadata=bearer)

    assert answer.text == "hello"
    assert server.port <= 1  # gRPC's word for "no port"


async def test_sigterm_ends_the_service_without_losing_a_call(
    parrot: SimpleNamespace, signer: Any, bearer: Any, socket_folder: Path
) -> None:
    """Health says NOT_SERVING first, the call that runs is finished, and then all is over."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def say(request: Any, context: Any) -> Any:
        begun.set()
        await go_on.wait()
        return parrot.pb2.SayResponse(text="finished")

    address = f"unix:{socket_folder}/parrot.sock"
    settings = ServingSettings(listen=address, drain_seconds=0.05)
    service = parrot_service(parrot, signer, {"Say": say})
    ended = asyncio.create_task(serve(settings, service))
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        assert (await watch.read()).status == SERVING
        request = parrot.pb2.SayRequest(text="hi")
        call = parrot.grpc.ParrotServiceStub(channel).Say(request, metadata=bearer)
        await begun.wait()

        os.kill(os.getpid(), signal.SIGTERM)
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()
        assert not ended.done()
        go_on.set()

        assert (await call).text == "finished"
        await ended


async def test_a_call_that_does_not_end_is_cut_off(serve: Any, bearer: Any) -> None:
    """The grace is bounded: a service ends, whatever its callers do."""
    begun = asyncio.Event()

    async def hang(request: Any, context: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    served = await serve({"Say": hang})
    call = served.stub.Say(served.pb2.SayRequest(text="hi"), metadata=bearer)
    await begun.wait()
    await served.server.drain(drain_seconds=0, grace_seconds=0.05)

    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call


async def test_the_end_of_a_cut_off_call_is_told_before_the_service_is_gone(
    serve: Any, bearer: Any, call_log: list[dict[str, Any]]
) -> None:
    """A handler may have much to put back; its call has a line in the log all the same."""
    begun, unwound = asyncio.Event(), asyncio.Event()

    async def hang(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await unwound.wait()

    served = await serve({"Say": hang})
    call = served.stub.Say(served.pb2.SayRequest(text="hi"), metadata=bearer)
    await begun.wait()
    asyncio.get_running_loop().call_later(0.5, unwound.set)
    await served.server.drain(drain_seconds=0, grace_seconds=0.05)

    assert [line["code"] for line in call_log] == ["CANCELLED"]
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call


def parrot_service(parrot: SimpleNamespace, signer: Any, methods: dict[str, Any]) -> Service:
    """A parrot that is ready to be served."""
    instance = parrot.grpc.ParrotServiceServicer()
    for name, work in methods.items():
        setattr(instance, name, work)
    add = parrot.grpc.add_ParrotServiceServicer_to_server
    return Service(name="parrot", servicers=(Servicer(add, instance),), verifier=signer.verifier())


async def _first(stream: Any, count: int) -> Any:
    for _ in range(count):
        yield await stream.read()
    stream.cancel()


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._write("ca", self._signed(self._issuer, self._key, ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key, as PEM files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._write(name, self._signed(subject, key, ca=False))
        private = self._folder / f"{self._name}-{name}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / f"{self._name}-{name}.crt"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture
def make_authority(tmp_path: Path) -> Callable[[str], Authority]:
    """Makes certificate authorities."""
    return lambda name: Authority(tmp_path, name)


async def _greet(request: Any, context: Any) -> Any:
    return type(request)(text="hello")


def credentials(root: Path, client: tuple[Path, Path] | None = None) -> Any:
    """What a client trusts and, perhaps, shows."""
    return grpc.ssl_channel_credentials(
        root_certificates=root.read_bytes(),
        certificate_chain=client[0].read_bytes() if client else None,
        private_key=client[1].read_bytes() if client else None,
    )


async def test_tls_is_served_to_those_who_trust_the_certificate(
    serve: Any, make_authority: Callable[[str], Authority]
) -> None:
    """A client that trusts another authority does not connect, nor does one without TLS."""
    ours, theirs = make_authority("ours"), make_authority("theirs")
    certificate, key = ours.issue("parrot")
    served = await serve(
        {"Greet": _greet},
        tls_certificate=certificate,
        tls_key=key,
        credentials=credentials(ours.certificate),
    )
    request = served.pb2.SayRequest(text="hi")
    assert (await served.stub.Greet(request)).text == "hello"

    address = f"127.0.0.1:{served.server.port}"
    for channel in (
        grpc.aio.secure_channel(address, credentials(theirs.certificate)),
        grpc.aio.insecure_channel(address),
    ):
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await type(served.stub)(channel).Greet(request)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_mtls_is_served_to_those_who_show_a_certificate(
    serve: Any, make_authority: Callable[[str], Authority]
) -> None:
    """A client without a certificate, or with one of another authority, does not connect."""
    ours, theirs = make_authority("ours"), make_authority("theirs")
    certificate, key = ours.issue("parrot")
    served = await serve(
        {"Greet": _greet},
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=ours.certificate,
        credentials=credentials(ours.certificate, ours.issue("client")),
    )
    request = served.pb2.SayRequest(text="hi")
    assert (await served.stub.Greet(request)).text == "hello"

    address = f"127.0.0.1:{served.server.port}"
    for shown in (None, theirs.issue("client")):
        async with grpc.aio.secure_channel(
            address, credentials(ours.certificate, shown)
        ) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await type(served.stub)(channel).Greet(request)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "given",
    [
        {"tls_certificate": "a.crt"},
        {"tls_key": "a.key"},
        {"tls_client_ca": "ca.crt"},
        {"tls_client_ca": "ca.crt", "tls_key": "a.key"},
    ],
)
def test_half_of_a_tls_setting_is_refused(given: dict[str, str]) -> None:
    """A service never falls back to plain text because a setting was forgotten."""
    with pytest.raises(ValueError, match="TOOLMESH_TLS_CERTIFICATE and TOOLMESH_TLS_KEY"):
        ServingSettings.model_validate(given)
