"""Tokens that a service refuses before their time: dropped, and the call made once more."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from toolmesh_client.channels import open_channel
from toolmesh_client.fresh_tokens import FreshTokens

KINDS = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]


class Numbered(FreshTokens):
    """A source whose tokens are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def _ask(self) -> tuple[str, float]:
        self.made += 1
        return str(self.made), 900.0


class Doorkeeper(grpc.GenericRpcHandler):
    """A server that answers with the token that it was sent, or refuses it.

    Attributes:
        refused: the tokens that it refuses.
        reason: of its refusals; empty: they have no details.
        calls: the tokens of the calls, and the seconds that they left it.
        called: set by the first of them.
        hold: not set: calls wait for it.
    """

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.reason = "TOKEN_INVALID"
        self.code = grpc.StatusCode.UNAUTHENTICATED
        self.calls: list[tuple[str, float]] = []
        self.called = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()

    def service(self, handler_call_details: Any) -> Any:
        """Finds the handler."""
        kind = handler_call_details.method.rpartition("/")[2]
        many = kind.endswith("Stream")
        make = {
            "UnaryUnary": grpc.unary_unary_rpc_method_handler,
            "UnaryStream": grpc.unary_stream_rpc_method_handler,
            "StreamUnary": grpc.stream_unary_rpc_method_handler,
            "StreamStream": grpc.stream_stream_rpc_method_handler,
        }[kind]
        return make(
            self._many if many else self._one,
            request_deserializer=StringValue.FromString,
            response_serializer=StringValue.SerializeToString,
        )

    async def _one(self, request: Any, context: Any) -> StringValue:
        token = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        self.calls.append((token, context.time_remaining()))
        self.called.set()
        await self.hold.wait()
        if token in self.refused:
            status = status_pb2.Status(code=self.code.value[0], message="refused")
            if self.reason:
                packed = AnyMessage()
                packed.Pack(error_details_pb2.ErrorInfo(reason=self.reason))
                status.details.append(packed)
                await context.abort_with_status(rpc_status.to_status(status))
            await context.abort(self.code, "refused")
        return StringValue(value=token)

    async def _many(self, request: Any, context: Any) -> AsyncGenerator[StringValue]:
        yield await self._one(request, context)
        yield StringValue(value="end")


@pytest.fixture
async def door(socket_folder: Path) -> AsyncGenerator[tuple[Doorkeeper, Numbered, Any]]:
    """A server that refuses tokens, a source of them, and a channel that brings both together."""
    doorkeeper, tokens = Doorkeeper(), Numbered()
    address = f"unix:{socket_folder}/door.sock"
    server = grpc.aio.server(handlers=[doorkeeper])
    server.add_insecure_port(address)
    await server.start()
    async with open_channel(address, token=tokens) as channel:
        yield doorkeeper, tokens, channel
    await server.stop(None)


def _start(channel: grpc.aio.Channel, kind: str, **options: Any) -> Any:
    make: Any = {
        "UnaryUnary": channel.unary_unary,
        "UnaryStream": channel.unary_stream,
        "StreamUnary": channel.stream_unary,
        "StreamStream": channel.stream_stream,
    }[kind]
    method = make(
        f"/test.Door/{kind}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )
    request = StringValue(value="hi")
    return method(iter([request]) if kind.startswith("Stream") else request, **options)


async def _call(channel: grpc.aio.Channel, kind: str, **options: Any) -> list[str]:
    call = _start(channel, kind, **options)
    if kind.endswith("Unary"):
        return [(await call).value]
    return [answer.value async for answer in call]


def _whole(kind: str, token: str) -> list[str]:
    return [token] if kind.endswith("Unary") else [token, "end"]


@pytest.mark.parametrize("reason", ["TOKEN_INVALID", ""])
@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_a_call_whose_token_is_refused_is_made_once_more(
    door: Any, kind: str, reason: str
) -> None:
    """The caller sees no failure, and the next call uses the new token at once."""
    doorkeeper, tokens, channel = door
    doorkeeper.reason = reason
    assert await _call(channel, kind) == _whole(kind, "1")
    doorkeeper.refused = {"1"}
    assert await _call(channel, kind) == _whole(kind, "2")
    assert await _call(channel, kind) == _whole(kind, "2")

    assert [token for token, _ in doorkeeper.calls] == ["1", "1", "2", "2"]
    assert tokens.made == 2


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_the_second_try_ends_when_the_first_one_had_to(door: Any, kind: str) -> None:
    """What the first one took is gone."""
    doorkeeper, _, channel = door
    doorkeeper.refused = {"1"}
    doorkeeper.hold.clear()
    answer = asyncio.ensure_future(_call(channel, kind, timeout=10))
    await doorkeeper.called.wait()
    await asyncio.sleep(0.5)
    doorkeeper.hold.set()
    assert await answer == _whole(kind, "2")

    (_, first), (_, second) = doorkeeper.calls
    assert first - 5 < second < first - 0.4


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_it_is_made_once_more_and_no_more(door: Any, kind: str) -> None:
    """Where each token is refused, the caller is told so, with the service's own reason."""
    doorkeeper, _, channel = door
    doorkeeper.refused = {"1", "2", "3"}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _call(channel, kind)

    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert [token for token, _ in doorkeeper.calls] == ["1", "2"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "SIGN_IN_FAILED"),
        (grpc.StatusCode.PERMISSION_DENIED, "TOKEN_INVALID"),
        (grpc.StatusCode.FAILED_PRECONDITION, ""),
    ],
)
@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_other_failures_are_the_callers(
    door: Any, kind: str, code: grpc.StatusCode, reason: str
) -> None:
    """A wrong password, say, must not be tried twice; the token stays."""
    doorkeeper, tokens, channel = door
    doorkeeper.refused, doorkeeper.code, doorkeeper.reason = {"1"}, code, reason
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _call(channel, kind)

    assert caught.value.code() == code
    assert len(doorkeeper.calls) == tokens.made == 1


@pytest.mark.parametrize("kind", ["StreamUnary", "StreamStream"])
async def test_a_request_that_is_a_stream_is_sent_once(door: Any, kind: str) -> None:
    """It cannot be sent again; the caller is told of the refusal."""
    doorkeeper, _, channel = door
    assert await _call(channel, kind) == _whole(kind, "1")
    doorkeeper.refused = {"1"}
    with pytest.raises(grpc.aio.AioRpcError):
        await _call(channel, kind)

    assert len(doorkeeper.calls) == 2


async def test_many_refused_calls_cause_one_exchange(door: Any) -> None:
    """A token that was replaced meanwhile is not dropped again."""
    doorkeeper, tokens, channel = door
    await _call(channel, "UnaryUnary")
    doorkeeper.refused = {"1"}
    answers = await asyncio.gather(*(_call(channel, "UnaryUnary") for _ in range(20)))

    assert answers == [["2"]] * 20
    assert tokens.made == 2


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_a_call_that_is_given_up_ends_at_the_service(door: Any, kind: str) -> None:
    """Also while the channel waits for what becomes of it."""
    doorkeeper, _, channel = door
    doorkeeper.hold.clear()
    call = _start(channel, kind)
    answer = asyncio.ensure_future(_first(call, kind))
    await asyncio.wait_for(doorkeeper.called.wait(), 5)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await answer
    assert await call.code() == grpc.StatusCode.CANCELLED


async def _first(call: Any, kind: str) -> Any:
    return await call if kind == "UnaryUnary" else await anext(aiter(call))
