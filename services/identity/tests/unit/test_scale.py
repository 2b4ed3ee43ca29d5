"""10,000 users and 50,000 keys cost as much an operation as ten."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toolmesh_identity.access_tokens import TokenMint
from toolmesh_identity.api_keys import ApiKeys, NewApiKey
from toolmesh_identity.holders import Holders
from toolmesh_identity.key_records import INDEX, ApiKey, record_key, serialize_key, subject_index
from toolmesh_identity.passwords import AttemptLimits, Attempts, Passwords
from toolmesh_identity.roles import RoleBook
from toolmesh_identity.secret import Secret
from toolmesh_identity.sessions import Sessions
from toolmesh_identity.signing_keys import SigningKeys
from toolmesh_identity.user_records import USER_PREFIX, User, serialize_user
from toolmesh_identity.users import NewUser, Users

SECRET = Secret(b"x" * 32)
SCOPES = ("identity:admin", "workspace:read", "workspace:write")
PASSWORD = "correct horse battery"
KEYS_A_USER = 5


async def fill(store: Any, users: int) -> None:
    """Writes users, and five keys each, as the service would."""
    async with store.pipeline(transaction=False) as pipe:
        for number in range(users):
            name = f"user{number:06d}"
            user = User(name, f"uid{number}", "", ("viewer",), create_time=1, update_time=1)
            pipe.set(USER_PREFIX + name, serialize_user(user)).zadd("identity:users", {name: 0})
            for index in range(KEYS_A_USER):
                key_id = f"{number * KEYS_A_USER + index:016d}".translate(
                    str.maketrans("0189", "abcd")
                )
                record = ApiKey(
                    key_id, "00" * 32, "", name, ("viewer",), (), (), create_time=1, owner=user.uid
                )
                member = f"{number:020d}:{key_id}"
                pipe.set(record_key(key_id), serialize_key(record))
                pipe.zadd(INDEX, {member: 0}).zadd(subject_index(name), {member: 0})
            if number % 500 == 499:
                await pipe.execute()
        await pipe.execute()


async def fastest(work: Callable[[], Awaitable[Any]], *, times: int) -> float:
    """The seconds of the fastest of many."""
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        best = min(best, time.perf_counter() - begun)
    return best


async def measure(store: Any) -> dict[str, float]:
    """What each operation takes."""
    roles = RoleBook(store, SCOPES)
    users, keys = Users(store, roles), ApiKeys(store, SECRET, roles)
    mint = TokenMint(
        await SigningKeys.open(store, SECRET), issuer="i", audience="a", lifetime_seconds=900
    )
    passwords = Passwords(store, SECRET, Attempts(store, SECRET, AttemptLimits()))
    sessions = Sessions(
        store,
        SECRET,
        holders=Holders(store, roles),
        passwords=passwords,
        mint=mint,
        idle_seconds=3600,
    )
    await users.create(
        NewUser("ann", "", ("viewer",)), granter=None, password_hash=await passwords.hash(PASSWORD)
    )
    _, whole = await keys.create(NewApiKey("test", "ann", ("viewer",)))
    (await users.list(page_size=5, page_token=""))
    return {
        "list users": await fastest(lambda: users.list(page_size=10, page_token=""), times=300),
        "list keys": await fastest(lambda: keys.list(page_size=10, page_token=""), times=300),
        "check a key": await fastest(lambda: keys.check(whole), times=300),
        "begin a session": await fastest(
            lambda: sessions.begin("ann", refused=AssertionError()), times=50
        ),
        "sign in": await fastest(
            lambda: sessions.sign_in("ann", PASSWORD, address="192.0.2.1"), times=50
        ),
    }


@pytest.mark.slow
async def test_many_users_and_keys_cost_as_much_as_few(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operation goes by an index, so none looks at what it does not return."""
    # A password's hash, slow on purpose, would hide what else a sign-in costs.
    monkeypatch.setattr("toolmesh_identity.passwords._MEMORY_KIB", 8)
    monkeypatch.setattr("toolmesh_identity.passwords._PASSES", 1)
    await fill(store, 10)
    few = await measure(store)
    await store.flushall()
    await fill(store, 10_000)
    many = await measure(store)

    ratios = {name: many[name] / seconds for name, seconds in few.items()}
    for name, ratio in ratios.items():
        print(
            f"{name}: {few[name] * 1000:.2f} ms with 10 users, {ratio:.2f} times that with 10,000"
        )
    assert all(ratio < 3 for ratio in ratios.values())
