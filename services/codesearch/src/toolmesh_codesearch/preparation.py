"""Gets a snapshot ready for searches, and tells how far it is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.errors import IndexesBusy
from toolmesh_codesearch.index_keeper import IndexKeeper
from toolmesh_codesearch.indexing import Progress, SnapshotIndex
from toolmesh_serving.call_limit import CallLimit

# Who waits for an index waits for long: a place is not free in a second.
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """An index that is ready, and how many files were read for it."""

    index: SnapshotIndex
    read_file_count: int


class Preparer:
    """Makes indexes for those who wait for them, so many at once and no more.

    `next_batch` waits until more embeddings have come; it is False when none is to come.
    """

    def __init__(
        self,
        keeper: IndexKeeper,
        next_batch: Callable[[SnapshotIndex], Awaitable[bool]],
        *,
        most_at_once: int,
    ) -> None:
        self._keeper = keeper
        self._next_batch = next_batch
        self._limit = CallLimit(
            most_at_once, busy=IndexesBusy, work="indexes", retry_seconds=_RETRY_SECONDS
        )

    async def prepare(
        self, snapshot: CachedSnapshot, *, words_only: bool
    ) -> AsyncGenerator[Progress | Prepared]:
        """Yield how far the work is, and at the end that it is done.

        Raises:
            IndexesBusy: too many are waited for.
            And what the snapshot's `read_many` raises.
        """
        with self._limit.place():
            async with aclosing(self._steps(snapshot, words_only=words_only)) as steps:
                async for step in steps:
                    yield step

    async def _steps(
        self, snapshot: CachedSnapshot, *, words_only: bool
    ) -> AsyncGenerator[Progress | Prepared]:
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        making = asyncio.create_task(self._keeper.index(snapshot, steps.put_nowait))
        making.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            while (step := await steps.get()) is not None:
                yield step
            index, read_file_count = await making
        finally:
            making.cancel()
        while not words_only:
            total = index.meanings.embedded_count
            yield Progress("embeddings", index.meanings.ready_count, total)
            if not await self._next_batch(index):
                break
        yield Prepared(index, read_file_count)
