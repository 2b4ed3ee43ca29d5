"""Work that goes on beside the RPCs."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

_SECONDS_BETWEEN_TRIES = 0.5


@asynccontextmanager
async def working(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Does the work while the block runs, and cancels it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        # More than once if need be: the Redis client writes within `asyncio.wait_for`, which before
        # Python 3.12 loses a cancellation that comes in the moment in which the write ends. Work
        # that has no end would then be waited for without end.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_SECONDS_BETWEEN_TRIES)
