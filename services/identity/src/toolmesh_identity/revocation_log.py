"""The revocations that every service has to know, in order, in a Redis stream."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from toolmesh_serving.background import working
from toolmesh_serving.errors import Unavailable
from toolmesh_serving.redis_store import Store, reaching_store
from toolmesh_serving.revocations import (
    MAX_REVOCATIONS_AN_ANSWER,
    SEQUENCE_TIME_SHIFT,
    Revocations,
    revocation_mark,
)

_log = structlog.get_logger()

STREAM: Final = "identity:revocations"
# No token lives longer than an hour; the rest is for clocks that differ.
KEEP_SECONDS: Final = 3600 + 120
_BLOCK_MILLIS: Final = 1000  # below the store's socket timeout
_READ_COUNT: Final = 10_000
_SECONDS_BETWEEN_TRIES: Final = 0.1
# Beyond this many, polls are answered without waiting.
_MAX_WAITING: Final = 1000


def queue_revocation(pipe: Any, kind: str, name: str) -> None:
    """Adds a revocation to a transaction: with the change that causes it, or not at all.

    Args:
        kind: `session`, `user` or `role`: what tokens hang on.
        name: a session's id, the random id of a user, a role's name.
    """
    oldest = int((time.time() - KEEP_SECONDS) * 1000)
    mark = revocation_mark(kind, name)
    pipe.xadd(STREAM, {"mark": mark}, minid=oldest, approximate=True)


def sequence_of(entry_id: bytes) -> int:
    """The sequence of the stream's entry, from its id `<milliseconds>-<number>`."""
    millis, _, number = entry_id.partition(b"-")
    return (int(millis) << SEQUENCE_TIME_SHIFT) | int(number or 0)


class RevocationLog:
    """Follows the stream and tells those who wait for news.

    Attributes:
        revocations: what is known, for this service's own verifier.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._position: Any = "0"
        self._news = asyncio.Event()
        self._waiting = 0
        self._closed = False
        self.revocations = Revocations(known=False)
        self.revocations.keep_seconds = KEEP_SECONDS

    async def load(self) -> None:
        """Reads what is in the stream.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            while await self._read(block=None):
                pass
        self.revocations.mark_known()

    async def follow(self) -> None:
        """Reads on for ever; a Redis that was away is caught up with."""
        while True:
            try:
                await self._read(block=_BLOCK_MILLIS)
            except RedisError as error:
                _log.warning("revocations not read", error=str(error))
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)

    async def poll(self, after: int, *, wait_seconds: float) -> Sequence[tuple[bytes, int]]:
        """The revocations after a sequence, oldest first, waiting for one if there is none.

        Raises:
            Unavailable: the service is about to end.
        """
        if self._closed:
            raise Unavailable("the service is about to end; ask again", retry_after_seconds=0.1)
        found = list(self.revocations.after(after))
        if not found and wait_seconds > 0 and self._waiting < _MAX_WAITING:
            self._waiting += 1
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), wait_seconds)
            finally:
                self._waiting -= 1
            return await self.poll(after, wait_seconds=0)
        return found[::-1][:MAX_REVOCATIONS_AN_ANSWER]

    def close(self) -> None:
        """Ends the waiting of all who wait."""
        self._closed = True
        self._tell()

    async def _read(self, *, block: int | None) -> bool:
        answer = await self._store.xread({STREAM: self._position}, count=_READ_COUNT, block=block)
        entries = [entry for _, found in answer or () for entry in found]
        for entry_id, fields in entries:
            self.revocations.add(fields[b"mark"], sequence_of(entry_id))
            self._position = entry_id
        if entries:
            self._tell()
        return bool(entries)

    def _tell(self) -> None:
        waited_for, self._news = self._news, asyncio.Event()
        waited_for.set()


@asynccontextmanager
async def open_revocation_log(store: Store) -> AsyncGenerator[RevocationLog]:
    """A log that has read what there is and follows the rest.

    Raises:
        Unavailable: Redis does not answer.
    """
    log = RevocationLog(store)
    await log.load()
    async with working(log.follow()):
        try:
            yield log
        finally:
            log.close()
