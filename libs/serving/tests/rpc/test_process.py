"""A service as a real process, with the identity service and another parrot beside it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from toolmesh_client.channels import service_address
from toolmesh_serving.call import current_call, remaining_seconds
from toolmesh_serving.caller import current_caller
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.server import Service, Servicer, running
from toolmesh_serving.settings import ServingSettings

PROGRAM = Path(__file__).parents[1] / "parrot_main.py"


@dataclass
class Process:
    """A parrot's process; `logs` are the lines that it wrote so far."""

    child: asyncio.subprocess.Process
    logs: list[dict[str, Any]] = field(default_factory=list)

    async def logged(self, event: str) -> dict[str, Any]:
        """Reads the log up to a line with this event."""
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            self.logs.append(json.loads(line))
            if self.logs[-1]["event"] == event:
                return self.logs[-1]
        raise AssertionError(f"the process ended without {event!r}: {self.logs}")

    async def ended(self) -> int:
        """Reads the rest of the log; returns the exit code."""
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            self.logs.append(json.loads(line))
        return await self.child.wait()

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.child.send_signal(signal.SIGTERM)


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(parrot_stubs: Path) -> AsyncGenerator[Start]:
    """Starts parrots: `await start(TOOLMESH_LISTEN=...)`."""
    async with AsyncExitStack() as stack:

        async def start(log: int = asyncio.subprocess.PIPE, **settings: str) -> Process:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                str(PROGRAM),
                env=os.environ | {"PYTHONPATH": str(parrot_stubs)} | settings,
                stdout=log,
            )
            process = Process(child)
            stack.push_async_callback(process.ended if child.stdout else child.wait)
            stack.callback(_kill, child)
            return process

        yield start


def _kill(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.kill()


@pytest.fixture
async def process(start: Start, identity_pattern: str) -> Process:
    """A parrot that serves."""
    process = await start(
        TOOLMESH_LISTEN=service_address(identity_pattern, "parrot"),
        TOOLMESH_ADDRESS_PATTERN=identity_pattern,
        TOOLMESH_DRAIN_SECONDS="0.1",
    )
    await process.logged("serving")
    return process


@pytest.fixture
async def channel(identity_pattern: str) -> AsyncGenerator[grpc.aio.Channel]:
    """Leads to the parrot."""
    async with grpc.aio.insecure_channel(service_address(identity_pattern, "parrot")) as channel:
        yield channel


@pytest.fixture
async def bearer(token_of: Callable[..., Awaitable[str]]) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a real token."""
    return (("authorization", f"Bearer {await token_of('viewer', subject='ann')}"),)


async def test_sigterm_lets_a_running_call_finish(
    process: Process, channel: grpc.aio.Channel, parrot: SimpleNamespace, bearer: Any
) -> None:
    """Health says NOT_SERVING first, the stream goes on to its end, and the exit code is 0."""
    health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
    chat = parrot.grpc.ParrotServiceStub(channel).Chat(metadata=bearer)
    await chat.write(parrot.pb2.SayRequest(text="before"))
    assert (await chat.read()).text == "before"
    process.terminate()

    assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    health.cancel()
    await chat.write(parrot.pb2.SayRequest(text="after"))
    assert (await chat.read()).text == "after"
    await process.logged("draining")
    await chat.write(parrot.pb2.SayRequest(text="last"))
    assert (await chat.read()).text == "last"
    await chat.done_writing()
    assert await chat.code() == grpc.StatusCode.OK
    assert await process.ended() == 0
    assert [line["event"] for line in process.logs] == ["serving", "draining", "call", "stopped"]


async def test_programs_can_be_started_while_calls_are_under_way(
    process: Process, channel: grpc.aio.Channel, parrot: SimpleNamespace, bearer: Any
) -> None:
    """No program that a service starts is hurt by what gRPC does at forks."""
    stub = parrot.grpc.ParrotServiceStub(channel)

    async def spawn() -> str:
        request = parrot.pb2.SayRequest(text="spawn")
        return (await stub.Know(request, metadata=bearer, timeout=30)).text

    answers = [
        text for _ in range(20) for text in await asyncio.gather(*(spawn() for _ in range(10)))
    ]
    assert answers == ["spawned"] * 200


async def test_the_log_has_json_lines_without_secrets(
    process: Process,
    channel: grpc.aio.Channel,
    parrot: SimpleNamespace,
    bearer: Any,
    failure_of: Any,
) -> None:
    """A failure is logged once, with its stack but without local variables and tokens."""
    stub = parrot.grpc.ParrotServiceStub(channel)
    failure = await failure_of(stub.Know(parrot.pb2.SayRequest(text="fail"), metadata=bearer))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "fail" not in failure.message.replace("failure", "")
    token = bearer[0][1].removeprefix("Bearer ")
    garbled = (("authorization", f"Bearer {token}x"),)
    await failure_of(stub.Know(parrot.pb2.SayRequest(text="hi"), metadata=garbled))
    process.terminate()
    assert await process.ended() == 0

    assert all(line["service"] == "parrot" for line in process.logs)
    assert all(line["timestamp"].endswith("Z") for line in process.logs)
    (logged,) = [line for line in process.logs if line["level"] == "error"]
    assert logged["event"] == "unforeseen failure"
    assert logged["request_id"] == failure.request_id
    (raised,) = logged["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == ("KeyError", "'fail'")
    assert raised["frames"][-1]["name"] == "Know"
    text = json.dumps(process.logs)
    assert "s3cret" not in text
    for secret in (token, token[-20:], token.split(".")[1]):
        assert secret not in text


async def test_a_log_that_cannot_be_written_fails_no_call(
    start: Start, socket_folder: Path, parrot: SimpleNamespace, failure_of: Any
) -> None:
    """Its lines are lost while its disk is full, and nothing else."""
    address = f"unix:{socket_folder}/parrot.sock"
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        await start(log=full, TOOLMESH_LISTEN=address)
    finally:
        os.close(full)
    async with grpc.aio.insecure_channel(address) as channel:
        know = parrot.grpc.ParrotServiceStub(channel).Know
        request = parrot.pb2.SayRequest(text="hi")
        failure = await failure_of(know(request, wait_for_ready=True, timeout=30))
    assert failure.code == grpc.StatusCode.UNAUTHENTICATED


async def test_a_peer_is_called_in_the_callers_name_and_time(
    process: Process,
    channel: grpc.aio.Channel,
    parrot: SimpleNamespace,
    bearer: Any,
    identity_pattern: str,
) -> None:
    """The other service sees the same caller and request id, and no more time than is left."""
    seen: list[Any] = []

    async def know(request: Any, context: Any) -> Any:
        seen.append((current_caller().subject, current_call().request_id, remaining_seconds()))
        return parrot.pb2.SayResponse(text=f"you said {request.text}")

    settings = ServingSettings(
        listen=service_address(identity_pattern, "other"), address_pattern=identity_pattern
    )
    instance = parrot.grpc.ParrotServiceServicer()
    instance.Know = know
    add = parrot.grpc.add_ParrotServiceServicer_to_server
    async with open_verifier(settings) as verifier:
        service = Service("other", servicers=(Servicer(add, instance),), verifier=verifier)
        async with running(settings, service):
            answer = await parrot.grpc.ParrotServiceStub(channel).Know(
                parrot.pb2.SayRequest(text="hi"),
                metadata=(*bearer, ("x-request-id", "r-17")),
                timeout=5,
            )

    assert answer.text == "you said hi"
    ((subject, request_id, left),) = seen
    assert (subject, request_id) == ("ann", "r-17")
    # Twice 20 ms, less the 10 ms in which gRPC counts such a timeout.
    assert 0 < left < 5 - 0.03


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TOOLMESH_PARROT_MOOD": "bad"}, "the parrot will not speak"),
        ({"TOOLMESH_LISTEN": "nowhere:99999"}, "Failed to bind"),
        ({"TOOLMESH_LOG_LEVEL": "loud"}, "TOOLMESH_LOG_LEVEL is 'loud'"),
        ({"TOOLMESH_TLS_KEY": "/nowhere"}, "TOOLMESH_TLS_CERTIFICATE"),
    ],
)
async def test_a_service_that_cannot_start_says_why(
    start: Start, settings: dict[str, str], words: str
) -> None:
    """One log line has the reason, and the exit code is 1."""
    process = await start(**settings)

    assert await process.ended() == 1
    (line,) = process.logs
    assert (line["event"], line["level"]) == ("cannot run", "error")
    assert words in line["error"]


async def test_what_is_said_of_a_wrong_setting_does_not_quote_others(start: Start) -> None:
    """URLs among them have passwords."""
    process = await start(
        TOOLMESH_TLS_KEY="/nowhere", TOOLMESH_PARROT_STORE="redis://:s3cret@redis:6379/0"
    )

    assert await process.ended() == 1
    assert "s3cret" not in json.dumps(process.logs)


async def test_libraries_log_in_the_same_form(start: Start, socket_folder: Path) -> None:
    """What the standard library's logging carries is JSON, too, from warnings up."""
    process = await start(
        TOOLMESH_LISTEN=f"unix:{socket_folder}/parrot.sock",
        TOOLMESH_LOG_LEVEL="debug",
        TOOLMESH_PARROT_MOOD="chatty",
    )
    await process.logged("serving")
    process.child.send_signal(signal.SIGINT)

    assert await process.ended() == 0
    assert [(line["event"], line["level"]) for line in process.logs] == [
        ("a library warns", "warning"),
        ("serving", "info"),
        ("draining", "info"),
        ("stopped", "info"),
    ]
    assert all(line["service"] == "parrot" for line in process.logs)
