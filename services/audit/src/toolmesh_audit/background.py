"""Work that goes on beside the RPCs."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

_SECONDS_BETWEEN_TRIES = 0.5


@asynccontextmanager
async def working(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Does the work while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        # More than once if need be: a cancellation that meets an answer from Redis can get lost in
        # the client, and work that has no end would then be waited for without end.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_SECONDS_BETWEEN_TRIES)
