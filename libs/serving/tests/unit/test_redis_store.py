"""The connection to Redis under many calls at once."""

import asyncio
from typing import Any

from toolmesh_serving.redis_store import change, open_store


async def test_changes_at_once_take_turns(valkey_url: str) -> None:
    """Each of many that change one key reads it once: none has to try again."""
    tries = 0
    async with open_store(valkey_url, decode_responses=True) as store:
        await store.delete("count")

        async def work(pipe: Any) -> None:
            nonlocal tries
            tries += 1
            count = int(await pipe.get("count") or 0)
            pipe.multi()
            pipe.set("count", count + 1)

        await asyncio.gather(*(change(store, work, "count", "other") for _ in range(150)))
        assert int(await store.get("count")) == 150
    assert tries == 150


async def test_changes_of_two_processes_are_all_made(valkey_url: str) -> None:
    """Where another one comes between, the change is tried again."""
    async with (
        open_store(valkey_url, decode_responses=True) as one,
        open_store(valkey_url, decode_responses=True) as other,
    ):
        await one.delete("count")

        async def work(pipe: Any) -> None:
            count = int(await pipe.get("count") or 0)
            pipe.multi()
            pipe.set("count", count + 1)

        stores = [one, other] * 20
        await asyncio.gather(*(change(store, work, "count") for store in stores))
        assert int(await one.get("count")) == 40


async def test_many_calls_at_once_find_a_connection(valkey_url: str) -> None:
    """More than the client library would open by itself."""
    async with open_store(valkey_url, decode_responses=True) as store:
        assert all(await asyncio.gather(*(store.ping() for _ in range(300))))
