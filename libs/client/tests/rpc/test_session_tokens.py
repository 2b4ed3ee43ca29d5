"""Access tokens for a session: refreshed when needed, by one refresh token after the other."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from toolmesh.identity.v1 import (
    session_service_pb2,
    session_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import open_channel
from toolmesh_client.session import SessionTokens

PASSWORD = "correct horse battery"
WHO_AM_I = token_service_pb2.WhoAmIRequest()


@pytest.fixture
async def users(
    address: str, channel: grpc.aio.Channel, socket_folder: Path
) -> AsyncGenerator[user_service_pb2_grpc.UserServiceStub]:
    """The users, as their administrator sees them: there is ann, a developer."""
    admin_key = (socket_folder / "admin.key").read_text().strip()
    async with open_channel(address, token=ApiKeyTokens(channel, admin_key)) as admin:
        users = user_service_pb2_grpc.UserServiceStub(admin)
        request = user_service_pb2.CreateUserRequest(
            id="ann", roles=["developer"], password=PASSWORD
        )
        await users.CreateUser(request)
        yield users


@pytest.fixture
async def refresh_token(users: Any, channel: grpc.aio.Channel) -> str:
    """Of a session that just began."""
    stub = session_service_pb2_grpc.SessionServiceStub(channel)
    request = session_service_pb2.SignInRequest(user="ann", password=PASSWORD)
    return (await stub.SignIn(request)).refresh_token


async def test_a_session_goes_on(
    address: str, channel: grpc.aio.Channel, refresh_token: str, clock: SimpleNamespace
) -> None:
    """Many calls cause one refresh; later ones another, with the token of the one before."""
    kept: list[str] = []

    async def keep(token: str) -> None:
        kept.append(token)

    tokens = SessionTokens(channel, refresh_token, keep=keep)
    async with open_channel(address, token=tokens) as mesh:
        stub = token_service_pb2_grpc.TokenServiceStub(mesh)
        answers = await asyncio.gather(*(stub.WhoAmI(WHO_AM_I) for _ in range(50)))
        assert {answer.subject for answer in answers} == {"ann"}
        assert len(kept) == 1
        clock.now += 900
        await stub.WhoAmI(WHO_AM_I)

    assert len({refresh_token, *kept}) == 3
    assert await SessionTokens(channel, kept[-1])()


async def test_who_gives_up_does_not_lose_the_session(
    channel: grpc.aio.Channel, refresh_token: str
) -> None:
    """The refresh token was sent, so its answer must be taken, wanted or not."""
    taken = asyncio.Event()

    async def keep(token: str) -> None:
        taken.set()

    tokens = SessionTokens(channel, refresh_token, keep=keep)
    first = asyncio.ensure_future(tokens())
    await asyncio.sleep(0)  # lets it begin
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(taken.wait(), 5)

    assert await tokens()


async def test_a_session_that_has_ended_is_the_callers_error(
    address: str, channel: grpc.aio.Channel, refresh_token: str, failure_of: Any
) -> None:
    """A refresh token that another used up is refused, and so is each call."""
    await SessionTokens(channel, refresh_token)()
    async with open_channel(address, token=SessionTokens(channel, refresh_token)) as mesh:
        stub = token_service_pb2_grpc.TokenServiceStub(mesh)
        failure = await failure_of(_awaited(stub.WhoAmI(WHO_AM_I)))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "REFRESH_TOKEN_INVALID",
    )


async def test_tokens_that_were_revoked_are_replaced(
    address: str, channel: grpc.aio.Channel, users: Any, refresh_token: str
) -> None:
    """A user who lost a role goes on with what is left, without a failed call."""
    tokens = SessionTokens(channel, refresh_token)
    async with open_channel(address, token=tokens) as mesh:
        stub = token_service_pb2_grpc.TokenServiceStub(mesh)
        assert list((await stub.WhoAmI(WHO_AM_I)).roles) == ["developer"]
        before = await tokens()
        viewer = user_service_pb2.RoleNames(names=["viewer"])
        await users.UpdateUser(user_service_pb2.UpdateUserRequest(id="ann", roles=viewer))
        await _refused(channel, before)

        assert list((await stub.WhoAmI(WHO_AM_I)).roles) == ["viewer"]


async def _refused(channel: grpc.aio.Channel, token: str) -> None:
    stub = token_service_pb2_grpc.TokenServiceStub(channel)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            await stub.WhoAmI(WHO_AM_I, metadata=(("authorization", f"Bearer {token}"),))
        except grpc.aio.AioRpcError:
            return
    raise AssertionError("the token is still good")


async def test_a_refresh_token_is_sent_once(socket_folder: Path) -> None:
    """An answer that was lost on its way must not make the channel send it again."""
    sent = 0

    async def refresh(request: Any, context: Any) -> Any:
        nonlocal sent
        sent += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "lost")

    handler = grpc.method_handlers_generic_handler(
        "toolmesh.identity.v1.SessionService",
        {"RefreshSession": grpc.unary_unary_rpc_method_handler(refresh)},
    )
    server = grpc.aio.server(handlers=[handler])
    server.add_insecure_port(f"unix:{socket_folder}/lost.sock")
    await server.start()
    async with open_channel(f"unix:{socket_folder}/lost.sock") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await SessionTokens(channel, "tmr_1")()
    await server.stop(None)

    assert sent == 1


async def _awaited(call: Any) -> Any:
    return await call
