"""The log's place in Redis."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from toolmesh_serving.errors import Unavailable

HEAD: Final = "audit:head"
"""Hash: `seq`, `hash`, `time` of the newest record, and `outbox`, the last change taken."""
RECORDS: Final = "audit:records"
"""Stream: the records, each under the id `<seq>-0`."""
ANCHORS: Final = "audit:anchors"
"""Hash: day -> `<seq>:<hash>` of that day's last record."""
DAYS: Final = "audit:days"
"""Hash: `<day>:first` and `<day>:last` -> sequence numbers between which that day's events lie."""
CHECKPOINT: Final = "audit:checkpoint"
"""Hash: `seq` and `hash` of the last record that is not kept any more."""
DELIVERED: Final = "audit:delivered:"
"""Prefix of one key a delivery, there for as long as it might come again."""

# A redis.asyncio.Redis that answers in bytes. Its own types say "bytes or str" of every answer.
Store: TypeAlias = Any


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store]:
    """Connects to Redis when it is first needed; a lost connection is made anew."""
    store = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )
    try:
        yield store
    finally:
        await store.aclose()


@contextmanager
def reaching_store() -> Generator[None]:
    """Turns a failure to reach Redis into the error that callers may retry.

    Raises:
        Unavailable: Redis does not answer.
    """
    try:
        yield
    except RedisError as error:
        raise Unavailable(
            "the store of the audit log does not answer; try again", retry_after_seconds=1
        ) from error
