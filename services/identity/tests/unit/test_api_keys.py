"""API keys without gRPC: what a key gives, how it is checked and kept."""

import hmac
import time
from typing import Any

import pytest

from toolmesh_identity import api_keys, exchange
from toolmesh_identity.access_tokens import TokenMint
from toolmesh_identity.api_keys import ApiKeys, NewApiKey, new_key
from toolmesh_identity.errors import ApiKeyInvalid, RoleUnknown
from toolmesh_identity.exchange import KeyExchange
from toolmesh_identity.roles import Role, RoleBook
from toolmesh_identity.secret import Secret
from toolmesh_identity.signing_keys import SigningKeys

SCOPES = ("identity:admin", "repomap:read", "workspace:read", "workspace:write")
SECRET = Secret(b"x" * 32)
VIEWER = NewApiKey(display_name="test", subject="ann", roles=("viewer",))

PASSING = NewApiKey(display_name="test", subject="ann", roles=("passing",))


def keys_of(store: Any, *scopes: str) -> ApiKeys:
    """The keys of a mesh whose methods ask for these scopes."""
    return ApiKeys(store, SECRET, RoleBook(store, scopes or SCOPES))


async def test_a_key_gains_the_scopes_of_a_new_tool(store: Any) -> None:
    """What a key gives follows its roles, which follow the mesh."""
    record, whole = await keys_of(store).create(VIEWER)
    assert record.scopes == ("repomap:read", "workspace:read")

    checked, _ = await keys_of(store, *SCOPES, "semgrep:read").check(whole)
    assert checked.scopes == ("repomap:read", "semgrep:read", "workspace:read")
    (listed,), _ = await keys_of(store, *SCOPES, "semgrep:read").list(page_size=5, page_token="")
    assert listed.scopes == checked.scopes


async def test_a_key_with_stated_scopes_gains_none(store: Any) -> None:
    """It has what it was given, less what the mesh no longer has."""
    new = NewApiKey(
        display_name="test",
        subject="ann",
        roles=("developer",),
        scopes=("workspace:write", "repomap:read"),
    )
    _, whole = await keys_of(store).create(new)

    checked, _ = await keys_of(store, *SCOPES, "semgrep:read").check(whole)
    assert checked.scopes == ("repomap:read", "workspace:write")
    checked, _ = await keys_of(store, "workspace:write").check(whole)
    assert checked.scopes == ("workspace:write",)


async def test_a_key_of_a_role_that_is_gone_gives_nothing(store: Any) -> None:
    """An unknown role in a stored key is no failure and no right."""
    roles, keys = RoleBook(store, SCOPES), keys_of(store)
    all_scopes = frozenset(SCOPES)
    await roles.create(Role("passing", "", ("repomap:read",)), granter=all_scopes)
    record, whole = await keys.create(PASSING)
    assert record.scopes == ("repomap:read",)
    await roles.delete("passing", granter=all_scopes)

    checked, _ = await keys.check(whole)
    assert checked.scopes == ()
    with pytest.raises(RoleUnknown):
        await keys.create(PASSING)
    assert checked.roles == ("passing",)


async def test_the_secret_of_a_key_is_not_kept(store: Any) -> None:
    """The store has a keyed hash, which another mesh's secret does not make."""
    _, whole = await keys_of(store).create(VIEWER)
    for name in await store.keys("*"):
        if await store.type(name) == b"string":
            assert whole.split("_", 2)[2].encode() not in await store.get(name)

    other = ApiKeys(store, Secret(b"y" * 32), RoleBook(store, SCOPES))
    with pytest.raises(ApiKeyInvalid):
        await other.check(whole)


@pytest.mark.parametrize("kind", ["right", "wrong secret", "unknown id", "garbage"])
async def test_every_check_compares_hashes_in_constant_time(
    store: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A guess costs the same whether or not its id is known."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    _, whole = await keys_of(store).create(VIEWER)
    guess = {
        "right": whole,
        "wrong secret": whole[:21] + new_key()[21:],
        "unknown id": new_key(),
        "garbage": "garbage",
    }[kind]
    monkeypatch.setattr(api_keys.hmac, "compare_digest", compare)
    if kind == "right":
        await keys_of(store).check(guess)
    else:
        with pytest.raises(ApiKeyInvalid):
            await keys_of(store).check(guess)

    assert compared == [(32, 32), (32, 32)]


async def test_a_key_is_adopted_once(store: Any) -> None:
    """What was done to it since, such as revoking it, stays."""
    keys, whole = keys_of(store), new_key()
    record = await keys.adopt(whole, VIEWER)
    await keys.revoke(record.id)
    await keys.adopt(whole, VIEWER)

    (listed,), token = await keys.list(page_size=10, page_token="")
    assert listed.revoke_time
    assert token == ""
    with pytest.raises(ApiKeyInvalid):
        await keys.check(whole)


@pytest.mark.parametrize("garbled", ["", "tmk_", "tmk_abc_def", f"{new_key()} ", new_key().upper()])
async def test_only_a_key_can_be_adopted(store: Any, garbled: str) -> None:
    """Anything else is refused and not kept."""
    with pytest.raises(ApiKeyInvalid):
        await keys_of(store).adopt(garbled, VIEWER)

    assert await store.keys("*") == []


async def test_a_key_ends_at_its_time(store: Any) -> None:
    """A key lives up to its end, not past it, and not once it is revoked."""
    new = NewApiKey(
        display_name="test", subject="ann", roles=("viewer",), expire_time=time.time() + 60
    )
    record, _ = await keys_of(store).create(new)

    assert record.is_live(record.expire_time - 0.001)
    assert not record.is_live(record.expire_time)
    assert not (await keys_of(store).revoke(record.id)).is_live(time.time())


async def test_the_last_use_is_written_once_a_minute(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy key costs the store no write a call."""
    keys = keys_of(store)
    record, whole = await keys.create(VIEWER)
    begun = time.time()
    noted = []
    for later in (0, 30, 59, 61):
        monkeypatch.setattr(time, "time", lambda later=later: begun + later)
        await keys.check(whole)
        (listed,), _ = await keys.list(page_size=1, page_token="")
        noted.append(listed.last_use_time)

    assert noted[:3] == [round(begun)] * 3
    assert noted[3] == round(begun + 61)
    assert record.last_use_time == 0


async def test_a_list_leaves_out_what_was_lost(store: Any) -> None:
    """A record that vanished from the store does not fail the list."""
    keys = keys_of(store)
    kept, _ = await keys.create(VIEWER)
    lost, _ = await keys.create(VIEWER)
    await store.delete(f"identity:api_key:{lost.id}")

    records, token = await keys.list(page_size=5, page_token="")
    assert [record.id for record in records] == [kept.id]
    assert token == ""


async def test_an_empty_list_is_empty(store: Any) -> None:
    """A mesh without keys has an empty page and no next one."""
    assert await keys_of(store).list(page_size=5, page_token="") == ([], "")


async def test_the_gateway_keeps_no_more_tokens_than_fit(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest token is forgotten first, and one of a minute ago is made anew."""
    monkeypatch.setattr(exchange, "_CACHE_SIZE", 2)
    keys = keys_of(store)
    signing = await SigningKeys.open(store, SECRET)
    mint = TokenMint(signing, issuer="i", audience="a", lifetime_seconds=900)
    exchanging = KeyExchange(keys, mint)
    wholes = [(await keys.create(VIEWER))[1] for _ in range(3)]
    for whole in wholes:  # the first use changes the record
        await keys.check(whole)
    first = [await exchanging.exchange_for_gateway(whole) for whole in wholes]

    again = [await exchanging.exchange_for_gateway(whole) for whole in wholes[::-1]]
    assert [a is b for a, b in zip(again, first[::-1], strict=True)] == [True, True, False]
    monkeypatch.setattr(exchange, "_REUSE_SECONDS", -1)
    assert await exchanging.exchange_for_gateway(wholes[0]) is not again[2]
