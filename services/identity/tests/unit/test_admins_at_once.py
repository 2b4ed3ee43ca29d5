"""The last administrator, attacked by two at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toolmesh_identity.errors import LastAdmin
from toolmesh_identity.roles import RoleBook
from toolmesh_identity.users import NewUser, Users
from toolmesh_serving.redis_store import open_store

SCOPES = frozenset({"identity:admin", "workspace:read"})

REMOVALS: dict[str, Callable[[Users, str], Awaitable[Any]]] = {
    "delete": lambda users, name: users.delete(name, granter=SCOPES),
    "suspend": lambda users, name: users.suspend(name, granter=SCOPES),
    "demote": lambda users, name: users.update(name, granter=SCOPES, roles=("viewer",)),
    # As an issuer's claims do it.
    "lose by claims": lambda users, name: users.update(name, granter=None, roles=()),
}


@pytest.mark.parametrize("first", REMOVALS)
@pytest.mark.parametrize("second", REMOVALS)
async def test_two_administrators_cannot_remove_each_other_at_once(
    store: Any, valkey_url: str, first: str, second: str
) -> None:
    """Of two requests at two replicas, each for another administrator, one is refused."""
    async with open_store(valkey_url, decode_responses=False) as other:
        for _ in range(3):
            await store.flushall()
            replicas = [Users(each, RoleBook(each, SCOPES)) for each in (store, other)]
            for name in ("ann", "bob"):
                await replicas[0].create(NewUser(name, "", ("admin",)), granter=None)
            results = await asyncio.gather(
                REMOVALS[first](replicas[0], "ann"),
                REMOVALS[second](replicas[1], "bob"),
                return_exceptions=True,
            )

            assert [isinstance(result, LastAdmin) for result in results].count(True) == 1
            left, _ = await replicas[0].list(page_size=10, page_token="")
            assert [u.id for u in left if "admin" in u.roles and not u.suspend_time] in (
                ["ann"],
                ["bob"],
            )
