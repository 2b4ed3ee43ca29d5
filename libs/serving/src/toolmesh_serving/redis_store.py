"""The connection to Redis, for the services that keep state there."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, WatchError

from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM, admin_event_fields
from toolmesh_serving.errors import Unavailable

_log = structlog.get_logger()
_SECONDS_BETWEEN_TRIES = 0.2
# The client's own bound of a hundred fails calls that come at once. A call holds two at most.
_MAX_CONNECTIONS = 2048

# A `_Client`. Its own types say "bytes or str" of every answer, whichever was chosen.
Store: TypeAlias = Any
_Result = TypeVar("_Result")


class _Client(redis.asyncio.Redis):
    """A client in which those who change the same key take turns; see `change`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def open_store(url: str, *, decode_responses: bool) -> AsyncGenerator[Store]:
    """Connects to Redis when it is first needed; a lost connection is made anew.

    Args:
        url: `redis://host:port/db`, `rediss://...` or `unix://path`.
        decode_responses: whether answers are text; else they are bytes.
    """
    store = _Client.from_url(
        url,
        decode_responses=decode_responses,
        socket_timeout=2,
        socket_connect_timeout=2,
        max_connections=_MAX_CONNECTIONS,
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

    Many at once in one process would make each other try again for seconds, so they take turns;
    only another process can come between.

    Args:
        work: reads through the pipe it is given, then calls `multi()` and queues what it writes. It
            makes no other `change`, which might wait for this one.
        watched: the keys that it reads.

    Raises:
        Unavailable: Redis does not answer.
    """
    async with AsyncExitStack() as turns:
        # In the order of their names, so that no two wait for each other.
        for key in sorted(set(watched)):
            await turns.enter_async_context(store.turns.setdefault(key, asyncio.Lock()))
        with reaching_store():
            return await _changed(store, work, watched)


async def _changed(
    store: Store, work: Callable[[Any], Awaitable[_Result]], watched: Iterable[str]
) -> _Result:
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
