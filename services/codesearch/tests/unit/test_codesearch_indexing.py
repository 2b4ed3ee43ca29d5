"""An index says what the files and the settings of now say, whatever the store has from before."""

from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_codesearch.index_store import IndexStore
from toolmesh_codesearch.indexing import Indexer, SnapshotIndex
from toolmesh_codesearch.pattern_search import units_matching
from toolmesh_codesearch.text_patterns import TextPattern
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool

# A worker needs less than this to start, and more to hold the tree of `_LARGE`.
_TOO_LITTLE_MEMORY = 96 * 2**20
_LARGE = b"def needle_before(): pass\n" + b"f(a.b(c), d, e(f))\n" * 40_000


@pytest.fixture
def module(snapshot_of: Callable[..., Any]) -> Callable[[bytes], CachedSnapshot]:
    """Makes snapshots of one module, as they are searched."""

    def module(content: bytes) -> CachedSnapshot:
        return CachedSnapshot(snapshot_of({"module.py": content}), ContentCache(max_bytes=2**24))

    return module


@pytest.fixture
def opened(
    tmp_path: Path,
) -> Callable[..., AbstractAsyncContextManager[Indexer]]:
    """Opens an indexer over one store, as restarts with other settings do."""

    @asynccontextmanager
    async def open_indexer(
        *, max_file_bytes: int = 2**24, max_memory_bytes: int = 2**30
    ) -> AsyncGenerator[Indexer]:
        store = IndexStore(tmp_path / "index.sqlite", max_bytes=2**26, model="model 1")
        pool = WorkerPool(
            max_workers=1, max_memory_bytes=max_memory_bytes, file_seconds=60, idle_timeout=60
        )
        outliner = Outliner(pool, None, max_file_bytes=max_file_bytes, with_uses=False)
        yield Indexer(outliner, store, Vocabulary(), max_file_bytes=max_file_bytes)
        await pool.close()
        store.close()

    return open_indexer


async def _found(index: SnapshotIndex, snapshot: CachedSnapshot) -> tuple[bool, bool, bool]:
    """Whether a text, a word and a name are found."""
    pattern = TextPattern("needle_before", is_regex=False, ignore_case=False)
    with ThreadPoolExecutor(1) as threads:
        units = await units_matching(pattern, index.columns, snapshot, None, threads=threads)
    (term,) = set(Vocabulary().words_of(b"needle").terms.tolist())
    postings = index.columns.postings.of(term)
    return (
        bool(units),
        postings.stop > postings.start,
        len(index.columns.named(["needle_before"])) > 0,
    )


async def test_another_limit_counts_at_once(
    opened: Callable[..., AbstractAsyncContextManager[Indexer]],
    module: Callable[[bytes], CachedSnapshot],
) -> None:
    """What was too large can be found when it no longer is, and the other way round."""
    snapshot = module(b"def needle_before():\n    return 1\n" * 10)
    for most, reads, expected in (
        (100, 1, (False, False, False)),
        (2**20, 1, (True, True, True)),
        (100, 0, (False, False, False)),
        (2**20, 0, (True, True, True)),
    ):
        async with opened(max_file_bytes=most) as indexer:
            index = await indexer.index(snapshot, lambda _: None)
            assert await _found(index, snapshot) == expected
            assert index.read_file_count == reads


async def test_a_parser_that_failed_in_passing_is_forgotten(
    opened: Callable[..., AbstractAsyncContextManager[Indexer]],
    module: Callable[[bytes], CachedSnapshot],
) -> None:
    """Meanwhile the file is found by its text and words; its names come with the next index."""
    snapshot = module(_LARGE)
    async with opened(max_memory_bytes=_TOO_LITTLE_MEMORY) as indexer:
        index = await indexer.index(snapshot, lambda _: None)
        assert await _found(index, snapshot) == (True, True, False)
    async with opened() as indexer:
        index = await indexer.index(snapshot, lambda _: None)
        assert await _found(index, snapshot) == (True, True, True)
