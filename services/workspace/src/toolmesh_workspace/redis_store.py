"""The connection to Redis."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from toolmesh_serving.errors import Unavailable

# A redis.asyncio.Redis that answers in text. Its own types say "bytes or str" of every answer.
Store: TypeAlias = Any

_log = structlog.get_logger()

MICROS = 1_000_000
# The beginning of every script that needs the time: Redis's own clock, so that replicas agree.
NOW = "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]\n"


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store]:
    """Connect to Redis when it is first needed; a lost connection is made anew."""
    store = redis.asyncio.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )
    try:
        yield store
    finally:
        await store.aclose()


@contextmanager
def reaching_store() -> Generator[None]:
    """Turn a failure to reach Redis into the error that callers may retry: Unavailable."""
    try:
        yield
    except RedisError as error:
        # The caller is told no more than to try again, so the reason stands here alone.
        _log.warning("Redis failed", error=str(error))
        raise Unavailable(
            "the store of workspaces does not answer; try again", retry_after_seconds=1
        ) from error
