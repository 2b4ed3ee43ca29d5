"""Finds the units of a snapshot that a pattern matches."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.parts import FilePart, units_of
from toolmesh_codesearch.text_patterns import TextPattern
from toolmesh_codesearch.time_left import TimeLeft
from toolmesh_codesearch.units import Unit

MOST_LINES = 10
"""Of how many lines that match in a unit the first are named."""

PATTERN_THREADS = 2
"""How many threads look for patterns: more finish no sooner, and other work waits for them."""

_BATCH_FILES = 100
_BATCH_BYTES = 2**21
_MOST_SECONDS = 10.0
_NO_UNIT = -1
# To go on past a few matches that do not count takes less than to begin anew behind them.
_MOST_PASSED = 4


async def units_matching(
    pattern: TextPattern,
    columns: Columns,
    snapshot: CachedSnapshot,
    mask: NDArray[np.bool_] | None,
    *,
    threads: Executor,
) -> dict[int, list[int]]:
    """Return the first lines that match, by the innermost unit they are in of those in the mask.

    They are looked for in `threads`, of which none is busy for much longer when this is cancelled.

    Raises:
        SearchInvalid: it took too long.
        And what the snapshot's `read_many` raises.
    """
    by_digest: dict[bytes, list[int]] = {}
    for number, file in enumerate(columns.files):
        inside = slice(*columns.file_starts[number : number + 2])
        if not columns.parts[number].skipped and (mask is None or mask[inside].any()):
            by_digest.setdefault(file.digest, []).append(number)
    time_left = TimeLeft(_MOST_SECONDS)
    found: dict[int, list[int]] = {}
    batch: list[tuple[bytes, bytes]] = []
    size = 0

    def look() -> None:
        with time_left.running():
            for digest, content in batch:
                for file in by_digest[digest]:
                    first, end = map(int, columns.file_starts[file : file + 2])
                    inside = None if mask is None else mask[first:end]
                    spans = partial(pattern.spans, content, time_left=time_left)
                    lines = _lines_by_unit(spans, content, part=columns.parts[file], mask=inside)
                    found.update((first + place, own) for place, own in lines.items())

    loop = asyncio.get_running_loop()
    try:
        async for digest, content in snapshot.read_many(by_digest):
            batch.append((digest, content))
            size += len(content)
            if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
                await loop.run_in_executor(threads, look)
                batch.clear()
                size = 0
        await loop.run_in_executor(threads, look)
    finally:
        time_left.end()
    return found


def _lines_by_unit(
    spans_from: Callable[[int], Iterator[tuple[int, int]]],
    content: bytes,
    *,
    part: FilePart,
    mask: NDArray[np.bool_] | None,
) -> dict[int, list[int]]:
    """Return the first lines that matches begin on, by the place of the unit in its file."""
    spans = spans_from(0)
    span = next(spans, None)
    if span is None:
        return {}
    lines = _UnitLines(units_of(part), mask)
    # Where each line but the first begins.
    begins = (np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n")) + 1).data
    position = passed = 0
    while span is not None:
        if span[0] >= position:
            line = bisect_right(begins, span[0]) + 1
            lines.add(line)
            following = lines.first_open(line + 1)
            if following - 2 >= len(begins):
                break
            position, passed = begins[following - 2], 0
        passed += 1
        if span[1] > position or passed > _MOST_PASSED:
            spans, passed = spans_from(position), 0
        span = next(spans, None)
    return lines.found


class _UnitLines:
    """The lines that match in a file, by the place of the innermost unit they are in.

    A line is open while one more that matches in its unit would count.
    """

    def __init__(self, units: Sequence[Unit], mask: NDArray[np.bool_] | None) -> None:
        self.found: dict[int, list[int]] = {}
        self._units = units
        # The first unit is the file; lines count from 1.
        self._line_count = units[0].end_line
        self._owners = np.full(self._line_count + 1, _NO_UNIT, dtype=np.int32)
        # A unit comes after those around it, so the last one that has a line is the innermost.
        for place, unit in enumerate(units):
            if mask is None or mask[place]:
                self._owners[unit.first_line : unit.end_line + 1] = place
        self._is_open = self._owners != _NO_UNIT

    def add(self, line: int) -> None:
        """Take a line that matches."""
        if not self._is_open[line]:
            return
        place = int(self._owners[line])
        lines = self.found.setdefault(place, [])
        lines.append(line)
        if len(lines) == MOST_LINES:
            unit = self._units[place]
            inside = slice(unit.first_line, unit.end_line + 1)
            self._is_open[inside] &= self._owners[inside] != place

    def first_open(self, line: int) -> int:
        """Return the first open line from one on; the one after the last when there is none."""
        if line <= self._line_count and self._is_open[line]:
            return line
        rest = self._is_open[line:]
        return line + int(rest.argmax()) if rest.any() else self._line_count + 1
