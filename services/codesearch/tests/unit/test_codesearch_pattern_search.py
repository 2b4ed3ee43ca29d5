"""Which units a pattern finds, and what looking for it costs."""

import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from toolmesh_codesearch.columns import Columns, IndexedFile, make_columns
from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_codesearch.parts import SourceFile, make_parts
from toolmesh_codesearch.pattern_search import units_matching
from toolmesh_codesearch.text_patterns import TextPattern
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_workspaces.snapshot_protocol import SnapshotFile


class _Numbered:
    """A snapshot whose contents, numbered from 0, are made when they are read."""

    digest = ""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[SnapshotFile]:
        return iter(())

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        for digest in digests:
            yield digest, b"%d\n" % int.from_bytes(digest) + self._content


def _function(line: int, end_line: int) -> Definition:
    return Definition("f", Kind.FUNCTION, line, end_line, "f()", -1)


def _columns(content: bytes, outline: Outline, file_count: int = 1) -> Columns:
    vocabulary = Vocabulary()
    sources = [SourceFile(b"%d\n" % n + content, "python", outline) for n in range(file_count)]
    files = [IndexedFile(f"{n}.py", n.to_bytes(32), "python") for n in range(file_count)]
    return make_columns(files, [made.part for made in make_parts(sources, vocabulary)], vocabulary)


async def _found(
    text: str, content: bytes, columns: Columns, mask: list[bool] | None = None
) -> dict[int, list[int]]:
    pattern = TextPattern(text, is_regex=True, ignore_case=False)
    snapshot = CachedSnapshot(_Numbered(content), ContentCache(max_bytes=0))
    wanted = None if mask is None else np.array(mask)
    with ThreadPoolExecutor(1) as threads:
        return await units_matching(pattern, columns, snapshot, wanted, threads=threads)


async def test_every_unit_is_found_by_its_first_lines() -> None:
    """Lines past the tenth of a unit do not count, whatever comes after them does."""
    content = b"needle needle\n" * 5000 + b"def f(): needle\n" * 400 + b"needle\n" * 3
    outline = Outline(tuple(_function(line, line) for line in range(5002, 5402)))
    found = await _found("needle", content, _columns(content, outline))
    assert found[0] == list(range(2, 12))
    assert [found[unit] for unit in range(1, 401)] == [[line] for line in range(5002, 5402)]


async def test_lines_belong_to_the_innermost_unit_that_is_looked_at() -> None:
    """What a filter leaves out gives its lines to what is around it, or to nothing."""
    content = b"def f():\n def g():\n  needle\n needle\nneedle\n"
    columns = _columns(content, Outline((_function(2, 5), _function(3, 4))))
    assert await _found("needle", content, columns) == {0: [6], 1: [5], 2: [4]}
    assert await _found("needle", content, columns, [False, True, False]) == {1: [4, 5]}
    assert await _found("needle", content, columns, [False, False, True]) == {2: [4]}


async def test_matches_of_many_lines_begin_on_each_of_them() -> None:
    """A match that runs over other lines on which one begins does not hide them."""
    content = b"def f():\n  begin\ndef g():\n  begin\n  end\n"
    columns = _columns(content, Outline((_function(2, 3), _function(4, 6))))
    assert await _found(r"(?s)begin.*end", content, columns) == {1: [3], 2: [5]}


async def test_large_files_are_not_held_together() -> None:
    """A search through a hundred files of 1 MiB holds a few of them in memory at a time."""
    content = b"x" * 2**20
    columns = _columns(b"", Outline(), file_count=100)
    tracemalloc.start()
    try:
        found = await _found("^99$", content, columns)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(found) == [99]
    assert peak < 20 * 2**20
