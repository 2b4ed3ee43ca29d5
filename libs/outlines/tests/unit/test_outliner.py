"""Outlines of whole snapshots, when the processes that parse do not start."""

import asyncio
import gc
import hashlib
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool, WorkersUnavailableError


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


class _Tree:
    """A snapshot in memory, of as many modules."""

    digest = "tree"

    def __init__(self, count: int) -> None:
        contents = [b"def f%d(): pass\n" % number for number in range(count)]
        self._contents = {hashlib.sha256(each).digest(): each for each in contents}

    def __iter__(self) -> Iterator[_File]:
        for number, (digest, content) in enumerate(self._contents.items()):
            yield _File(f"m{number}.py", digest, len(content))

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for digest in digests:
            yield digest, self._contents[digest]


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
