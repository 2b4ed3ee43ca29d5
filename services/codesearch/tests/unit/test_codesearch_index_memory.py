"""What an index holds in memory while it is made."""

import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_codesearch.index_store import IndexStore
from toolmesh_codesearch.indexing import Indexer, Progress
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool
from toolmesh_workspaces.snapshot_protocol import SnapshotFile

_FILE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int = _FILE_BYTES


class _Data:
    """A snapshot of large files of data, whose contents are made when they are read."""

    digest = "data"

    def __iter__(self) -> Iterator[SnapshotFile]:
        return (_File(f"{number}.json", number.to_bytes(32)) for number in range(100))

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for digest in digests:
            yield digest, b"%d " % int.from_bytes(digest) * (_FILE_BYTES // 4)


async def test_large_files_of_data_are_not_held_together(tmp_path: Path) -> None:
    """An index of a hundred files of 1 MiB in no known language holds a few of them at a time."""
    pool = WorkerPool(max_workers=1, max_memory_bytes=2**30, file_seconds=10, idle_timeout=5)
    store = IndexStore(tmp_path / "index.sqlite", max_bytes=2**30, model=None)
    outliner = Outliner(pool, None, max_file_bytes=_FILE_BYTES, with_uses=False)
    indexer = Indexer(outliner, store, Vocabulary(), max_file_bytes=_FILE_BYTES)
    steps: list[Progress] = []
    tracemalloc.start()
    try:
        snapshot = CachedSnapshot(_Data(), ContentCache(max_bytes=0))
        index = await indexer.index(snapshot, steps.append)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await pool.close()
        store.close()
    assert (index.read_file_count, steps[-1]) == (100, Progress("files", 100, 100))
    assert peak < 40 * _FILE_BYTES
