"""Gives the index of any snapshot, and keeps those that were asked for last.

In memory they are bounded by the number of their files, and let go after a while without a
question; on disk are those that many files were read for. An index that is not kept is made from
the kept one that has most of its files.
"""

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

import numpy as np

from toolmesh_outlines.outliner import OnProgress
from toolmesh_repomap.index_store import IndexStore
from toolmesh_repomap.indexing import Indexer, KnownFiles, SnapshotIndex, keys_of
from toolmesh_repomap.string_table import Ints
from toolmesh_serving.memory import give_back_memory
from toolmesh_workspaces.snapshot_protocol import Snapshot

# An index goes to disk when so large a part of its files was read since the last one went there:
# a restart then reads those again.
_UNSAVED_PART = 0.01
_FEWEST_UNSAVED = 8
# Among so many of those on disk, the last used, a base is looked for.
_MOST_LOOKED_AT = 50
# A base must have so large a part of a snapshot's files.
_COMMON_PART = 0.5


class IndexKeeper:
    """The indexes of snapshots.

    `kept_files` bounds those in memory by the number of their files together; `idle_seconds` after
    the last question all of them are let go.
    """

    def __init__(
        self, indexer: Indexer, store: IndexStore, *, kept_files: int, idle_seconds: float
    ) -> None:
        self._indexer = indexer
        self._store = store
        self._kept_files = kept_files
        self._idle_seconds = idle_seconds
        self._kept: OrderedDict[str, SnapshotIndex] = OrderedDict()
        # How many files were read since what an index was made from went to disk.
        self._unsaved: dict[str, int] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._saving: set[asyncio.Task[None]] = set()
        self._forget: asyncio.TimerHandle | None = None

    async def index(
        self, snapshot: Snapshot, *, on_progress: OnProgress | None = None
    ) -> tuple[SnapshotIndex, int]:
        """Return the index of a snapshot, and how many of its files were parsed for it.

        Of several callers who ask for the same snapshot, one does the work, and it alone hears of
        the progress. When that one goes away, the next goes on with what is in the cache by then.
        Raises what the snapshot's `read_many` raises.
        """
        lock = self._locks.setdefault(snapshot.digest, asyncio.Lock())
        async with lock:
            index = self._kept.get(snapshot.digest)
            parsed_file_count = 0
            if index is None:
                index = await asyncio.to_thread(self._store.load, snapshot.digest)
            if index is None or not index.corpus.is_lasting:
                index, parsed_file_count = await self._make(snapshot, on_progress)
            self._keep(snapshot.digest, index)
            return index, parsed_file_count

    async def close(self) -> None:
        """Let go of what is kept in memory, when what is being written is written."""
        if self._forget is not None:
            self._forget.cancel()
        await asyncio.gather(*self._saving)
        self._forget_all()

    async def _make(
        self, snapshot: Snapshot, on_progress: OnProgress | None
    ) -> tuple[SnapshotIndex, int]:
        keys = await asyncio.to_thread(keys_of, snapshot)
        base_digest, known = await asyncio.to_thread(self._most_alike, keys, dict(self._kept))
        unsaved = self._unsaved.get(base_digest, 0)
        if base_digest in self._kept and not self._has_room(len(keys)):
            # It will have to go: what of it is not needed any more goes now.
            self._drop(base_digest)
        made = await self._indexer.index(snapshot, base=known, on_progress=on_progress)
        await asyncio.to_thread(give_back_memory)
        unsaved += made.read_file_count
        if unsaved > max(len(keys) * _UNSAVED_PART, _FEWEST_UNSAVED):
            task = asyncio.create_task(
                asyncio.to_thread(self._store.save, snapshot.digest, made.index)
            )
            self._saving.add(task)
            task.add_done_callback(self._saving.discard)
            unsaved = 0
        self._unsaved[snapshot.digest] = unsaved
        return made.index, made.parsed_file_count

    def _most_alike(
        self, keys: Ints, kept: dict[str, SnapshotIndex]
    ) -> tuple[str, KnownFiles | None]:
        """Return the index that shares most files, by digest, if it shares enough of them."""
        least = max(len(keys) * _COMMON_PART, 1)
        counts = {digest: _common(keys, index.file_keys) for digest, index in kept.items()}
        best = max(counts, key=counts.__getitem__, default="")
        best_count = counts.get(best, 0)
        # What is on disk is worth its loading only when it saves many files.
        worth = max(least, best_count + len(keys) * _UNSAVED_PART)
        on_disk = ""
        for digest in self._store.snapshots()[:_MOST_LOOKED_AT]:
            if digest not in kept:
                count = _common(keys, self._store.file_keys(digest))
                if count > worth:
                    on_disk, worth = digest, count
        if on_disk and (loaded := self._store.load(on_disk)):
            return on_disk, loaded.known_files
        return (best, kept[best].known_files) if best_count >= least else ("", None)

    def _keep(self, digest: str, index: SnapshotIndex) -> None:
        self._kept[digest] = index
        self._kept.move_to_end(digest)
        while len(self._kept) > 1 and not self._has_room(0):
            self._drop(next(iter(self._kept)))
        if self._forget is not None:
            self._forget.cancel()
        self._forget = asyncio.get_running_loop().call_later(self._idle_seconds, self._forget_all)

    def _drop(self, digest: str) -> None:
        del self._kept[digest]
        self._unsaved.pop(digest, None)

    def _has_room(self, file_count: int) -> bool:
        """Tell whether an index of so many files can be kept beside those that are."""
        kept = sum(index.corpus.file_count + 1 for index in self._kept.values())
        return kept + file_count <= self._kept_files

    def _forget_all(self) -> None:
        self._kept.clear()
        self._unsaved.clear()
        give_back_memory()


def _common(keys: Ints, others: Ints) -> int:
    return len(np.intersect1d(keys, others, assume_unique=True))
