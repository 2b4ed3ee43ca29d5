"""Outlines of whole snapshots: what is kept of them, and when no process that parses starts."""

import asyncio
import gc
import hashlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from toolmesh_outlines import outliner
from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import OutlinedFile, Outliner
from toolmesh_outlines.worker_job import Job
from toolmesh_outlines.worker_pool import GROUP_FILES, WorkerPool, WorkersUnavailableError

# Error recovery in this takes time that is quadratic in its length.
_SLOW = b"\n".join(b"template<" * 100 for _ in range(1000))
# A worker needs less than this to start, and more to hold the tree of `_LARGE`.
_TOO_LITTLE_MEMORY = 96 * 2**20
_LARGE = b"f(a.b(c), d, e(f))\n" * 40_000


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


class _Tree:
    """A snapshot in memory, of as many modules and what else is given.

    With `stops_at`, so many contents can be read, and the next never comes.
    """

    digest = "tree"

    def __init__(
        self, count: int, others: dict[str, bytes] | None = None, *, stops_at: int | None = None
    ) -> None:
        files = {f"m{number}.py": b"def f%d(): pass\n" % number for number in range(count)}
        files |= others or {}
        self._files = [_File(path, _digest(each), len(each)) for path, each in files.items()]
        self._contents = {_digest(each): each for each in files.values()}
        self._stops_at = stops_at

    def __iter__(self) -> Iterator[_File]:
        return iter(self._files)

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for number, digest in enumerate(digests):
            if number == self._stops_at:
                await asyncio.Event().wait()
            yield digest, self._contents[digest]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class _Watched(WorkerPool):
    """A pool that tells when it has given its first answer."""

    answered: asyncio.Event

    async def extract(self, jobs: Sequence[Job]) -> list[bytes]:
        answers = await super().extract(jobs)
        self.answered.set()
        return answers


@pytest.fixture
async def pool() -> AsyncGenerator[_Watched]:
    """One worker."""
    pool = _Watched(max_workers=1, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    pool.answered = asyncio.Event()
    yield pool
    await pool.close()


@pytest.fixture
def cache(tmp_path: Path) -> Generator[OutlineCache]:
    """Where outlines are kept."""
    cache = OutlineCache(tmp_path / "outlines.sqlite", max_bytes=2**20)
    yield cache
    cache.close()


def _kept_count(cache: OutlineCache, tree: _Tree) -> int:
    return len(cache.get_many((file.digest, "python") for file in tree))


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(_Tree(GROUP_FILES, {"slow.cpp": _SLOW}), id="the next is slow to parse"),
        pytest.param(_Tree(GROUP_FILES + 2, stops_at=GROUP_FILES + 1), id="the next never comes"),
    ],
)
async def test_what_is_parsed_is_kept_when_the_caller_is_cancelled(
    pool: _Watched, cache: OutlineCache, tree: _Tree
) -> None:
    """Who asks again after a deadline goes on from there, however few files were done."""

    async def outline() -> None:
        async for _ in Outliner(pool, cache, max_file_bytes=2**20).outline(tree):
            pass

    asking = asyncio.create_task(outline())
    await pool.answered.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert _kept_count(cache, tree) == GROUP_FILES


async def test_slow_files_are_kept_as_time_passes(
    pool: _Watched, cache: OutlineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a batch does not get full in time, what there is of it is kept and told."""
    monkeypatch.setattr(outliner, "_KEPT_EVERY_SECONDS", 0)
    tree = _Tree(GROUP_FILES, {"slow.cpp": _SLOW})
    async with aclosing(Outliner(pool, cache, max_file_bytes=2**20).outline(tree)) as batches:
        async for batch in batches:
            if any(file.is_parsed for file in batch):
                break
        assert _kept_count(cache, tree) == GROUP_FILES == len(batch)


async def test_a_broken_installation_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the error; those of all other groups leave nothing behind."""
    untaken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context))
    pool = WorkerPool(max_workers=1, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    try:
        with pytest.raises(WorkersUnavailableError):
            async for _ in Outliner(pool, None, max_file_bytes=2**20).outline(_Tree(120)):
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
    tree, clock = _Tree(1, {"large.py": _LARGE}), [0.0]
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
