"""Gives the index of any snapshot, and keeps those that were asked for last.

In memory they are bounded by the number of their units, and let go after a while without a search.
What they are made of is on disk: making one again reads no file.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.indexing import Indexer, OnProgress, SnapshotIndex
from toolmesh_serving.memory import give_back_memory


def no_progress(_: object) -> None:
    """Ignore how far the work is."""


class IndexKeeper:
    """The indexes of snapshots.

    `kept_units` bounds those in memory by the number of their units together; `idle_seconds` after
    the last search all of them are let go. `on_index` is told of every index that is asked for.
    """

    def __init__(
        self,
        indexer: Indexer,
        *,
        kept_units: int,
        idle_seconds: float,
        on_index: Callable[[SnapshotIndex], None] = no_progress,
    ) -> None:
        self._indexer = indexer
        self._kept_units = kept_units
        self._idle_seconds = idle_seconds
        self._on_index = on_index
        self._kept: OrderedDict[str, SnapshotIndex] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._forget: asyncio.TimerHandle | None = None

    async def index(
        self, snapshot: CachedSnapshot, on_progress: OnProgress = no_progress
    ) -> tuple[SnapshotIndex, int]:
        """Return the index of a snapshot, and how many of its files were read for it.

        Of several callers who ask for the same snapshot, one does the work, and it alone hears of
        the progress. When that one goes away, the next goes on with what is in the store by then.
        Raises what the snapshot's `read_many` raises.
        """
        lock = self._locks.setdefault(snapshot.digest, asyncio.Lock())
        async with lock:
            index = self._kept.get(snapshot.digest)
            read_file_count = 0
            if index is None:
                index = await self._indexer.index(snapshot, on_progress)
                read_file_count = index.read_file_count
                await asyncio.to_thread(give_back_memory)
            self._keep(index)
            self._on_index(index)
            return index, read_file_count

    def kept(self) -> Iterator[SnapshotIndex]:
        """Yield the indexes in memory, the last asked for first."""
        return iter(list(reversed(self._kept.values())))

    def close(self) -> None:
        """Let go of all indexes."""
        if self._forget is not None:
            self._forget.cancel()
        self._kept.clear()

    def _keep(self, index: SnapshotIndex) -> None:
        self._kept[index.digest] = index
        self._kept.move_to_end(index.digest)
        while (
            len(self._kept) > 1
            and sum(kept.columns.unit_count for kept in self._kept.values()) > self._kept_units
        ):
            self._kept.popitem(last=False)
        if self._forget is not None:
            self._forget.cancel()
        self._forget = asyncio.get_running_loop().call_later(self._idle_seconds, self._kept.clear)
