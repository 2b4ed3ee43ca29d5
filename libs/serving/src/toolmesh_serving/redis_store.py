"""The connection to Redis, for the services that keep state there."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, WatchError

from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM, admin_event_fields
from toolmesh_serving.errors import Unavailable

_log = structlog.get_logger()
_SECONDS_BETWEEN_TRIES = 0.2

# A redis.asyncio.Redis. Its own types say "bytes or str" of every answer, whichever was chosen.
Store: TypeAlias = Any
_Result = TypeVar("_Result")


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


async def change(store: Store, work: Callable[[Any], Awaitable[_Result]], *watched: str) -> _Result:
    """Runs `work` as one transaction, again and again until nobody else changed what it read.

    Args:
        work: reads through the pipe it is given, then calls `multi()` and queues what it writes.
        watched: the keys that it reads.

    Raises:
        Unavailable: Redis does not answer.
    """
    with reaching_store():
        while True:
            async with store.pipeline(transaction=True) as pipe:
                try:
                    await pipe.watch(*watched)
                    result = await work(pipe)
                    await pipe.execute()
                except WatchError:
                    continue
                return result


def note(
    pipe: Any,
    action: str,
    target: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Adds an event for the audit log to a transaction; see `admin_event_fields`."""
    pipe.xadd(ADMIN_EVENTS_STREAM, admin_event_fields(action, target, before=before, after=after))
