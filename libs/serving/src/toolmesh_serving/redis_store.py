"""The connection to Redis, for the services that keep state there."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from toolmesh_serving.errors import Unavailable

_log = structlog.get_logger()
_SECONDS_BETWEEN_TRIES = 0.2

# A redis.asyncio.Redis. Its own types say "bytes or str" of every answer, whichever was chosen.
Store: TypeAlias = Any


@asynccontextmanager
async def open_store(url: str, *, decode_responses: bool) -> AsyncGenerator[Store]:
    """Connects to Redis when it is first needed; a lost connection is made anew.

    Args:
        url: `redis://host:port/db`, `rediss://...` or `unix://path`.
        decode_responses: whether answers are text; else they are bytes.
    """
    store = redis.asyncio.Redis.from_url(
        url,
        decode_responses=decode_responses,
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )
    try:
        yield store
    finally:
        await store.aclose()


async def until_reached(store: Store) -> None:
    """Waits until Redis answers: services may start in any order."""
    while True:
        try:
            await store.ping()
        except RedisError as error:
            _log.warning("waiting for Redis", error=str(error))
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return


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
            "the service's store does not answer; try again", retry_after_seconds=1
        ) from error
