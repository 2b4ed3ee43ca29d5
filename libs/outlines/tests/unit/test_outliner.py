"""Outlines of whole snapshots, when the processes that parse fail."""

import asyncio
import gc
import hashlib
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import OutlinedFile, Outliner
from toolmesh_outlines.worker_pool import WorkerPool, WorkersUnavailableError

# A worker needs less than this to start, and more to hold the tree of `_LARGE`.
_TOO_LITTLE_MEMORY = 96 * 2**20
_LARGE = b"f(a.b(c), d, e(f))\n" * 40_000


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


class _Tree:
    """A snapshot in memory, of modules."""

    digest = "tree"

    def __init__(self, contents: list[bytes]) -> None:
        self._contents = {hashlib.sha256(each).digest(): each for each in contents}

    def __iter__(self) -> Iterator[_File]:
        for number, (digest, content) in enumerate(self._contents.items()):
            yield _File(f"m{number}.py", digest, len(content))

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for digest in digests:
            yield digest, self._contents[digest]


async def test_a_broken_installation_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the error; those of all other groups leave nothing behind."""
    tree = _Tree([b"def f%d(): pass\n" % number for number in range(120)])
    untaken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context))
    pool = WorkerPool(max_workers=1, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    try:
        with pytest.raises(WorkersUnavailableError):
            async for _ in Outliner(pool, None, max_file_bytes=2**20).outline(tree):
                pass
    finally:
        await pool.close()
    gc.collect()
    assert not untaken


def _pool(max_memory_bytes: int) -> WorkerPool:
    return WorkerPool(
        max_workers=1, max_memory_bytes=max_memory_bytes, file_seconds=60, idle_timeout=60
    )


async def _outlined(outliner: Outliner, tree: _Tree) -> list[OutlinedFile]:
    batches = [batch async for batch in outliner.outline(tree)]
    return sorted((file for batch in batches for file in batch), key=lambda file: file.path)


async def test_a_failure_in_passing_is_not_kept_for_long(tmp_path: Path) -> None:
    """It is tried again after ten minutes, or by whoever comes with more memory."""
    tree, clock = _Tree([_LARGE, b"def f(): pass\n"]), [0.0]
    cache = OutlineCache(tmp_path / "outlines.sqlite", max_bytes=2**26)
    little, enough = _pool(_TOO_LITTLE_MEMORY), _pool(2**30)
    try:
        poor = Outliner(little, cache, max_file_bytes=2**24, clock=lambda: clock[0])
        parsed = {0.0: [True, True], 599.0: [False, False], 600.0: [True, False]}
        for clock[0], expected in parsed.items():
            found = await _outlined(poor, tree)
            assert [file.is_parsed for file in found] == expected
            assert [file.outline.skipped for file in found] == ["crashed the parser", ""]
        rich = Outliner(enough, cache, max_file_bytes=2**24)
        found = await _outlined(rich, tree)
        assert [(file.is_parsed, file.outline.skipped) for file in found] == [
            (True, ""),
            (False, ""),
        ]
    finally:
        await little.close()
        await enough.close()
        cache.close()
