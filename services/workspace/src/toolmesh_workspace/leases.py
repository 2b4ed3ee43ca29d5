"""Keeps pushes and the sweeper of one workspace apart, across replicas.

A push is told which contents are stored and relies on it until it commits, so nothing may be swept
meanwhile. A push takes a lease that any number of pushes may hold; the sweeper takes one alone.
Both end by themselves, so that a replica that died blocks nobody for long: a push's after more time
than its deadline allows, a sweep's after a minute. With a push's lease the workspace comes to those
that are swept, for a push may break off at any time and leave contents that nothing names.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

from toolmesh_serving.errors import Unavailable
from toolmesh_serving.redis_store import Store, reaching_store
from toolmesh_workspace.records import GRACE_MICROS, UNSWEPT
from toolmesh_workspace.redis_time import MICROS, NOW

_PUSH_SECONDS = 20 * 60
SWEEP_SECONDS = 60
_SWEEP_WORK_SECONDS = 45

_BEGIN_PUSH = (
    NOW
    + """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now + ARGV[4]), ARGV[5])
return 1
"""
)
_BEGIN_SWEEP = (
    NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[1]) > 0 then return 0 end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
return 0
"""
)
_END_SWEEP = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class Leases:
    """Gives out the leases. Every method raises Unavailable when Redis does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def pushing(self, workspace: str) -> AsyncGenerator[None]:
        """Hold off the sweeper; it raises Unavailable while a sweep runs, which is for seconds."""
        lease = str(uuid4())
        keys = [*_keys(workspace), UNSWEPT]
        arguments = [lease, _PUSH_SECONDS * MICROS, _PUSH_SECONDS, GRACE_MICROS, workspace]
        with reaching_store():
            done = await self._store.eval(_BEGIN_PUSH, len(keys), *keys, *arguments)
        if not done:
            raise Unavailable("the workspace is being tidied; try again", retry_after_seconds=2)
        try:
            yield
        finally:
            # A call that was cancelled must give its lease back all the same.
            await asyncio.shield(self._end_push(workspace, lease))

    @asynccontextmanager
    async def sweeping(self, workspace: str) -> AsyncGenerator[bool]:
        """Hold off pushes, and yield whether that worked: it does not while one runs.

        It raises TimeoutError when the block does not end before the lease does.
        """
        lease = str(uuid4())
        keys = _keys(workspace)
        with reaching_store():
            done = await self._store.eval(_BEGIN_SWEEP, 2, *keys, lease, SWEEP_SECONDS)
        try:
            async with asyncio.timeout(_SWEEP_WORK_SECONDS):
                yield bool(done)
        finally:
            if done:
                await asyncio.shield(self._end_sweep(keys[1], lease))

    async def _end_push(self, workspace: str, lease: str) -> None:
        with reaching_store():
            await self._store.zrem(_keys(workspace)[0], lease)

    async def _end_sweep(self, key: str, lease: str) -> None:
        with reaching_store():
            await self._store.eval(_END_SWEEP, 1, key, lease)


def _keys(workspace: str) -> tuple[str, str]:
    return f"workspace:pushing:{workspace}", f"workspace:sweeping:{workspace}"
