"""Outlines of whole snapshots: what is kept of them, and when no process that parses starts."""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from toolmesh_outlines import outliner
from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import OutlinedFile, Outliner
from toolmesh_outlines.worker_job import Job
from toolmesh_outlines.worker_pool import GROUP_FILES, WorkerPool, WorkersUnavailableError

SnapshotOf = Callable[..., Any]

# Error recovery in this takes time that is quadratic in its length.
_SLOW = b"\n".join(b"template<" * 100 for _ in range(1000))
# A worker needs less than this to start, and more to hold the tree of `_LARGE`.
_TOO_LITTLE_MEMORY = 96 * 2**20
_LARGE = b"f(a.b(c), d, e(f))\n" * 40_000


def _modules(count: int) -> dict[str, bytes]:
    return {f"m{number}.py": b"def f%d(): pass\n" % number for number in range(count)}


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


def _kept_count(cache: OutlineCache, tree: Any) -> int:
    return len(cache.get_many((file.digest, "python") for file in tree))


@pytest.mark.parametrize(
    "others",
    [
        pytest.param({"slow.cpp": _SLOW}, id="the next is slow to parse"),
        pytest.param({"x.py": b"x = 1\n", "y.py": b"y = 1\n"}, id="the next never comes"),
    ],
)
async def test_what_is_parsed_is_kept_when_the_caller_is_cancelled(
    pool: _Watched, cache: OutlineCache, others: dict[str, bytes], snapshot_of: SnapshotOf
) -> None:
    """Who asks again after a deadline goes on from there, however few files were done."""

    async def stop_before_the_last(number: int) -> None:
        if number > GROUP_FILES:
            await asyncio.Event().wait()

    tree = snapshot_of(_modules(GROUP_FILES) | others, before_content=stop_before_the_last)

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
    pool: _Watched, cache: OutlineCache, monkeypatch: pytest.MonkeyPatch, snapshot_of: SnapshotOf
) -> None:
    """Where a batch does not get full in time, what there is of it is kept and told."""
    monkeypatch.setattr(outliner, "_KEPT_EVERY_SECONDS", 0)
    tree = snapshot_of(_modules(GROUP_FILES) | {"slow.cpp": _SLOW})
    async with aclosing(Outliner(pool, cache, max_file_bytes=2**20).outline(tree)) as batches:
        async for batch in batches:
            if any(file.is_parsed for file in batch):
                break
        assert _kept_count(cache, tree) == GROUP_FILES == len(batch)


async def test_a_broken_installation_is_told_once(
    monkeypatch: pytest.MonkeyPatch, snapshot_of: SnapshotOf
) -> None:
    """The caller gets the error; those of all other groups leave nothing behind."""
    untaken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context))
    pool = WorkerPool(max_workers=1, max_memory_bytes=2**30, file_seconds=60, idle_timeout=60)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    try:
        with pytest.raises(WorkersUnavailableError):
            async for _ in Outliner(pool, None, max_file_bytes=2**20).outline(
                snapshot_of(_modules(120))
            ):
                pass
    finally:
        await pool.close()
    gc.collect()
    assert not untaken


def _pool(max_memory_bytes: int) -> WorkerPool:
    return WorkerPool(
        max_workers=1, max_memory_bytes=max_memory_bytes, file_seconds=60, idle_timeout=60
    )


async def _outlined(outliner: Outliner, tree: Any) -> list[OutlinedFile]:
    batches = [batch async for batch in outliner.outline(tree)]
    return sorted((file for batch in batches for file in batch), key=lambda file: file.path)


async def test_a_failure_in_passing_is_not_kept_for_long(
    tmp_path: Path, snapshot_of: SnapshotOf
) -> None:
    """It is tried again after ten minutes, or by whoever comes with more memory."""
    tree, clock = snapshot_of(_modules(1) | {"large.py": _LARGE}), [0.0]
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
