"""Work that goes on beside the RPCs."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

import structlog

_log = structlog.get_logger(__name__)

_SECONDS_BETWEEN_TRIES = 0.5


@asynccontextmanager
async def working(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Does the work while the block runs, and cancels it at the end.

    When the work fails, the log says so at once, and the block goes on. What the work must do to
    its end when it is cancelled has to be shielded: it may be cancelled more than once.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_of_failure)
    try:
        yield
    finally:
        # More than once if need be: the Redis client writes within `asyncio.wait_for`, which before
        # Python 3.12 loses a cancellation that comes in the moment in which the write ends. Work
        # that has no end would then be waited for without end.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_SECONDS_BETWEEN_TRIES)


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background.failed", exc_info=error)
