"""Access tokens for an API key: exchanged when needed, and only then."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from toolmesh.identity.v1 import token_service_pb2, token_service_pb2_grpc
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import open_channel

EXCHANGE = "/toolmesh.identity.v1.TokenService/ExchangeToken"


@pytest.fixture
def admin_key(identity_pattern: str, socket_folder: Path) -> str:
    """The administrator's API key."""
    assert identity_pattern
    return (socket_folder / "admin.key").read_text().strip()


def exchanges(call_log: list[Any]) -> int:
    """How many exchanges the identity service answered."""
    return sum(line["method"] == EXCHANGE for line in call_log)


async def test_many_calls_at_once_cause_one_exchange(
    call_log: list[Any], address: str, channel: grpc.aio.Channel, admin_key: str
) -> None:
    """A hundred concurrent first calls wait for the same token."""
    async with open_channel(address, token=ApiKeyTokens(channel, admin_key)) as mesh:
        stub = token_service_pb2_grpc.TokenServiceStub(mesh)
        request = token_service_pb2.WhoAmIRequest()
        answers = await asyncio.gather(*(stub.WhoAmI(request) for _ in range(100)))

    assert {answer.subject for answer in answers} == {"admin"}
    assert exchanges(call_log) == 1


async def test_a_token_is_renewed_before_it_ends(
    channel: grpc.aio.Channel, admin_key: str, clock: SimpleNamespace
) -> None:
    """It is kept for four fifths of its life, so that none ends on its way."""
    tokens = ApiKeyTokens(channel, admin_key)
    first = await tokens()
    clock.now += 900 * 0.8 - 1
    assert await tokens() == first

    clock.now += 2
    renewed = await tokens()
    assert renewed != first
    assert await tokens() == renewed


async def test_a_key_that_is_refused_is_the_callers_error(
    call_log: list[Any], address: str, channel: grpc.aio.Channel, failure_of: Any
) -> None:
    """Every kind of call fails as the exchange did, and the next call tries again."""
    tokens = ApiKeyTokens(channel, "tmk_garbage")
    assert (await failure_of(tokens())).reason == "API_KEY_INVALID"
    async with open_channel(address, token=tokens) as mesh:
        stub = token_service_pb2_grpc.TokenServiceStub(mesh)
        failure = await failure_of(_awaited(stub.WhoAmI(token_service_pb2.WhoAmIRequest())))
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "API_KEY_INVALID",
        )

    assert exchanges(call_log) == 2


async def test_a_caller_that_gives_up_does_not_stop_the_others(
    channel: grpc.aio.Channel, admin_key: str
) -> None:
    """When the one that exchanges is cancelled, the next one does it."""
    tokens = ApiKeyTokens(channel, admin_key)
    first = asyncio.ensure_future(tokens())
    others = [asyncio.ensure_future(tokens()) for _ in range(3)]
    await asyncio.sleep(0)  # lets the first one begin
    first.cancel()

    assert len(set(await asyncio.gather(*others))) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def _awaited(call: Any) -> Any:
    return await call
