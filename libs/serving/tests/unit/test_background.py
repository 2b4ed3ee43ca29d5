"""Work beside the RPCs ends with the service, whatever the Redis client does to a cancellation."""

import asyncio
import random

from structlog.testing import capture_logs

from toolmesh_serving.background import working
from toolmesh_serving.redis_store import open_store


async def test_work_ends_when_its_cancellation_is_lost_once() -> None:
    """It is cancelled again."""
    cancellations = 0

    async def stubborn() -> None:
        nonlocal cancellations
        while cancellations < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancellations += 1

    async with asyncio.timeout(30), working(stubborn()):
        await asyncio.sleep(0)
    assert cancellations == 2


async def test_work_that_fails_is_told_of_at_once() -> None:
    """Whoever reads the log need not wait for the service's end."""

    async def bad() -> None:
        raise RuntimeError("no feed any more")

    with capture_logs() as logs:
        async with working(bad()):
            await asyncio.sleep(0.01)
            (told,) = logs
    assert (told["event"], str(told["exc_info"])) == ("background.failed", "no feed any more")


async def test_work_over_redis_always_ends(valkey_url: str) -> None:
    """Ended at any moment of a transaction."""

    async def read_again_and_again() -> None:
        while True:
            async with store.pipeline(transaction=True) as pipe:
                await pipe.hgetall("a").get("b").execute()

    async with asyncio.timeout(60), open_store(valkey_url, decode_responses=False) as store:
        for _ in range(50):
            async with working(read_again_and_again()):
                await asyncio.sleep(random.random() * 0.003)
