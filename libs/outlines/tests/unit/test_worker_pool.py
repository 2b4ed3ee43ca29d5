"""Parsing in other processes: what a crash, a hang or a kill costs."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psutil
import pytest

from toolmesh_outlines.outline import Outline, decode_outline
from toolmesh_outlines.worker_job import Job
from toolmesh_outlines.worker_pool import WorkerPool, WorkersUnavailableError

# A worker needs less than this to start, and more to hold the tree of `_LARGE`: then the parser,
# which is C code, aborts.
_TOO_LITTLE_MEMORY = 96 * 2**20
_LARGE = b"\n".join(b"x%d = [a.b(c), d, e(f)]" % number for number in range(40_000))
# Error recovery in this takes time that is quadratic in its length.
_SLOW = b"\n".join(b"template<" * 100 for _ in range(1000))


@asynccontextmanager
async def _pool(
    *,
    max_workers: int = 1,
    max_memory_bytes: int = 2**30,
    file_seconds: float = 60,
    idle_timeout: float = 60,
) -> AsyncGenerator[WorkerPool]:
    pool = WorkerPool(
        max_workers=max_workers,
        max_memory_bytes=max_memory_bytes,
        file_seconds=file_seconds,
        idle_timeout=idle_timeout,
    )
    try:
        yield pool
    finally:
        await pool.close()
        assert pool.worker_count == 0


def _workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "toolmesh_outlines.worker" in " ".join(child.cmdline())]


async def _outlines(pool: WorkerPool, language: str, *sources: bytes) -> list[Outline]:
    answers = await pool.extract([Job(language, source) for source in sources])
    return [decode_outline(answer) for answer in answers]


async def _outline(pool: WorkerPool, source: bytes, language: str = "python") -> Outline:
    (outline,) = await _outlines(pool, language, source)
    return outline


async def _names(pool: WorkerPool, source: bytes) -> list[str]:
    outline = await _outline(pool, source)
    assert not outline.skipped
    return [definition.name for definition in outline.definitions]


async def test_extracts_many_files_in_several_processes() -> None:
    """Answers belong to their files, and no more processes run than allowed."""
    async with _pool(max_workers=2) as pool:
        sources = [b"def f%d(): pass\n" % number for number in range(200)]
        found = await asyncio.gather(*(_names(pool, source) for source in sources))
        assert found == [[f"f{number}"] for number in range(200)]
        assert 1 <= len(_workers()) <= 2
    assert _workers() == []


async def test_nothing_runs_before_the_first_file() -> None:
    """A pool without work has no processes."""
    async with _pool() as pool:
        assert pool.worker_count == 0
        assert _workers() == []


async def test_a_crash_costs_the_file_that_caused_it() -> None:
    """The parser aborts on one file; that file says so, and the others are read."""
    async with _pool(max_memory_bytes=_TOO_LITTLE_MEMORY) as pool:
        before, crashing, after = await asyncio.gather(
            _names(pool, b"def before(): pass\n"),
            _outline(pool, _LARGE),
            _names(pool, b"def after(): pass\n"),
        )
    assert crashing.skipped == "crashed the parser"
    assert (before, after) == (["before"], ["after"])


async def test_a_hang_costs_the_file_that_caused_it() -> None:
    """A file that takes too long is given up, and the others are read."""
    async with _pool(file_seconds=1.0) as pool:
        before, hanging, after = await asyncio.gather(
            _names(pool, b"def before(): pass\n"),
            _outline(pool, _SLOW, "cpp"),
            _names(pool, b"def after(): pass\n"),
        )
    assert hanging.skipped == "took too long to parse"
    assert (before, after) == (["before"], ["after"])


@pytest.mark.parametrize(
    ("language", "bad", "seconds", "reason"),
    [("python", _LARGE, 60, "crashed the parser"), ("cpp", _SLOW, 1, "took too long to parse")],
)
async def test_a_bad_file_costs_none_of_its_group(
    language: str, bad: bytes, seconds: float, reason: str
) -> None:
    """Of files that a worker gets at once, the one that ends it alone is given up."""
    async with _pool(max_memory_bytes=_TOO_LITTLE_MEMORY, file_seconds=seconds) as pool:
        found = await _outlines(pool, language, b"class A {};\n", bad, b"", b"class B {};\n")
        assert [outline.skipped for outline in found] == ["", reason, "", ""]


async def test_a_killed_worker_costs_nothing() -> None:
    """What a killed process had at hand is parsed by the next one."""
    async with _pool() as pool:
        await _names(pool, b"def first(): pass\n")
        files = [asyncio.create_task(_names(pool, b"def f(): pass\n")) for _ in range(20)]
        await asyncio.sleep(0)
        _workers()[0].kill()
        assert await asyncio.gather(*files) == [["f"]] * 20


async def test_a_worker_killed_while_idle_costs_nothing() -> None:
    """The death of a process that waits for work costs no file."""
    async with _pool() as pool:
        for pause in (0.0, 0.1, 0.3):
            await _names(pool, b"def first(): pass\n")
            _workers()[0].kill()
            # Before, while and after the loop hears of it.
            await asyncio.sleep(pause)
            assert await _names(pool, b"def f(): pass\n") == ["f"]


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
async def test_workers_that_do_not_start_fail_the_callers(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken installation is an error for whoever asks, not a wait without end."""
    async with _pool() as pool:
        monkeypatch.setattr(sys, "executable", python)
        files = [_outline(pool, b"x = 1\n") for _ in range(50)]
        answers = await asyncio.gather(*files, return_exceptions=True)
        assert {type(answer) for answer in answers} == {WorkersUnavailableError}
        monkeypatch.undo()
        assert await _names(pool, b"def f(): pass\n") == ["f"]


async def test_idle_workers_end() -> None:
    """After a while without work no process is left, and new work starts one again."""
    async with _pool(idle_timeout=0.05) as pool:
        await _names(pool, b"def first(): pass\n")
        async with asyncio.timeout(20):
            while pool.worker_count or _workers():  # noqa: ASYNC110 - processes have no events
                await asyncio.sleep(0.01)
        assert await _names(pool, b"def again(): pass\n") == ["again"]


async def test_a_caller_who_leaves_takes_its_files_along() -> None:
    """Cancelled files are not parsed, and do not keep others from being parsed."""
    async with _pool() as pool:
        files = [asyncio.create_task(_outline(pool, _LARGE)) for _ in range(20)]
        await asyncio.sleep(0)
        for file in files:
            file.cancel()
        assert await _names(pool, b"def next_one(): pass\n") == ["next_one"]


async def test_closing_cancels_what_waits() -> None:
    """No caller waits forever for a pool that was closed."""
    async with _pool() as pool:
        files = [asyncio.create_task(_outline(pool, _LARGE)) for _ in range(8)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*files, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)


@pytest.mark.parametrize("source", [b"", b"\xff\xfe", b"\0", b"def f(:\n"])
async def test_any_content_has_an_answer(source: bytes) -> None:
    """There is no content that a worker does not answer."""
    async with _pool() as pool:
        await _outline(pool, source)
