"""Channels: tokens and timeouts on calls of all four kinds, and services that come and go."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from toolmesh_client.channels import MAX_MESSAGE_BYTES, open_channel, service_address

KINDS = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]
_SERVICE = "test.Mirror"

Call = Callable[..., Awaitable[list[str]]]


class Mirror(grpc.GenericRpcHandler):
    """A server of any kind of method that answers with what it knows of the call."""

    def __init__(self) -> None:
        self.failures = 0

    def service(self, handler_call_details: Any) -> Any:
        """Finds the handler."""
        kind = handler_call_details.method.rpartition("/")[2]
        one, many = self._one, self._many
        return {
            "UnaryUnary": _handler(grpc.unary_unary_rpc_method_handler, one),
            "UnaryStream": _handler(grpc.unary_stream_rpc_method_handler, many),
            "StreamUnary": _handler(grpc.stream_unary_rpc_method_handler, one),
            "StreamStream": _handler(grpc.stream_stream_rpc_method_handler, many),
        }.get(kind)

    async def _one(self, request: Any, context: Any) -> StringValue:
        if self.failures:
            self.failures -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        metadata = dict(context.invocation_metadata())
        left = context.time_remaining()
        # To the ten seconds: some of the time is gone when the call is here.
        limit = "none" if left is None else f"{round(left, -1):.0f}"
        tokens = [v for k, v in context.invocation_metadata() if k == "authorization"]
        return StringValue(value=f"{tokens} {limit} {metadata.get('x-extra', '')}")

    async def _many(self, request: Any, context: Any) -> AsyncGenerator[StringValue]:
        yield await self._one(request, context)
        yield StringValue(value="end")


def _handler(make: Any, work: Any) -> Any:
    return make(
        work,
        request_deserializer=StringValue.FromString,
        response_serializer=StringValue.SerializeToString,
    )


async def _call(channel: grpc.aio.Channel, kind: str, **options: Any) -> list[str]:
    make = {
        "UnaryUnary": channel.unary_unary,
        "UnaryStream": channel.unary_stream,
        "StreamUnary": channel.stream_unary,
        "StreamStream": channel.stream_stream,
    }[kind]
    method: Any = make(
        f"/{_SERVICE}/{kind}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )
    request = StringValue(value="hi")
    call = method(iter([request]) if kind.startswith("Stream") else request, **options)
    if kind.endswith("Unary"):
        return [(await call).value]
    return [answer.value async for answer in call]


@pytest.fixture
def address(socket_folder: Path) -> str:
    """Where the mirror is, or will be."""
    return f"unix:{socket_folder}/mirror.sock"


@pytest.fixture
async def mirror(address: str) -> AsyncGenerator[Mirror]:
    """A mirror that serves."""
    mirror = Mirror()
    server = grpc.aio.server(handlers=[mirror])
    server.add_insecure_port(address)
    await server.start()
    yield mirror
    await server.stop(None)


async def token() -> str:
    """A token source."""
    return "T"


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_of_all_kinds_carry_token_and_timeout(
    address: str, mirror: Mirror, kind: str
) -> None:
    """Each call has both, and the metadata that it was given besides."""
    async with open_channel(address, token=token, time_left=lambda: 50.0) as channel:
        answers = await _call(channel, kind, metadata=(("x-extra", "x"),))

    assert answers[0] == "['Bearer T'] 50 x"
    assert answers[1:] == (["end"] if kind.endswith("Stream") else [])


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_call_states_itself_holds(address: str, mirror: Mirror, kind: str) -> None:
    """A call's own token and timeout go before the channel's."""
    own = {"metadata": (("authorization", "Bearer own"),), "timeout": 90}
    async with open_channel(address, token=token, time_left=lambda: 50.0) as channel:
        answers = await _call(channel, kind, **own)

    assert answers[0] == "['Bearer own'] 90 "


@pytest.mark.parametrize("kind", KINDS)
async def test_a_channel_without_a_token_sends_none(
    address: str, mirror: Mirror, kind: str
) -> None:
    """Nor does one whose calls have no end set one."""
    async with open_channel(address) as plain, open_channel(address, time_left=_never) as timed:
        assert (await _call(plain, kind))[0] == "[] none "
        assert (await _call(timed, kind))[0] == "[] none "


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_carry_what_is_forwarded(address: str, mirror: Mirror, kind: str) -> None:
    """Forwarded metadata is asked for at each call."""
    extras = iter(["first", "second"])
    async with open_channel(address, forwarded=lambda: {"x-extra": next(extras)}) as channel:
        assert (await _call(channel, kind))[0] == "[] none first"
        assert (await _call(channel, kind))[0] == "[] none second"


def _never() -> float | None:
    return None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_that_cannot_be_had_fails_the_call(
    address: str, mirror: Mirror, kind: str
) -> None:
    """The source's own error is the call's."""

    async def broken() -> str:
        raise LookupError("no token")

    async with open_channel(address, token=broken) as channel:
        with pytest.raises(LookupError, match="no token"):
            await _call(channel, kind)


async def test_a_call_waits_for_a_service_that_is_restarting(address: str) -> None:
    """A service that is down when the call is made, and up within its time, answers it."""
    async with open_channel(address) as channel:
        call = asyncio.ensure_future(_call(channel, "UnaryUnary", timeout=30))
        state = channel.get_state(try_to_connect=True)
        while state != grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            await channel.wait_for_state_change(state)
            state = channel.get_state()
        server = grpc.aio.server(handlers=[Mirror()])
        server.add_insecure_port(address)
        await server.start()

        assert (await call)[0].startswith("[]")
        await server.stop(None)


async def test_a_call_to_a_service_that_stays_away_ends_in_time(address: str) -> None:
    """Waiting has the deadline as its end."""
    async with open_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call(channel, "UnaryUnary", timeout=0.2)

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("failures", "answered"), [(3, True), (4, False)])
async def test_a_call_that_did_not_arrive_is_tried_again(
    address: str, mirror: Mirror, failures: int, answered: bool
) -> None:
    """UNAVAILABLE is retried, four tries in all."""
    mirror.failures = failures
    async with open_channel(address) as channel:
        if answered:
            assert await _call(channel, "UnaryUnary", timeout=30)
        else:
            with pytest.raises(grpc.aio.AioRpcError, match="not now"):
                await _call(channel, "UnaryUnary", timeout=30)


async def test_a_message_may_be_large(address: str, mirror: Mirror) -> None:
    """Up to the mesh's limit, which is above gRPC's default."""
    size = MAX_MESSAGE_BYTES // 2
    server = grpc.aio.server(
        handlers=[Mirror()], options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        method: Any = channel.unary_unary(
            f"/{_SERVICE}/UnaryUnary",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )
        assert await method(StringValue(value="x" * size), timeout=30)
    await server.stop(None)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("unix:{service}.sock", "unix:repomap.sock"),
        ("dns:///{service}:50051", "dns:///repomap:50051"),
        ("127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_a_service_is_found_by_the_pattern(pattern: str, expected: str) -> None:
    """The service's name is filled in wherever the pattern asks for it."""
    assert service_address(pattern, "repomap") == expected
