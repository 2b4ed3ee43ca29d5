"""Finds the units of a snapshot that a pattern matches."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.parts import units_of
from toolmesh_codesearch.text_patterns import TextPattern

_BATCH_FILES = 100
_MOST_SECONDS = 10.0


async def units_matching(
    pattern: TextPattern,
    columns: Columns,
    snapshot: CachedSnapshot,
    mask: NDArray[np.bool_] | None,
) -> dict[int, list[int]]:
    """Return the lines that match, by the innermost unit they are in of those in the mask.

    Raises:
        SearchInvalid: it took too long.
        And what the snapshot's `read_many` raises.
    """
    deadline = time.monotonic() + _MOST_SECONDS
    by_digest: dict[bytes, list[int]] = {}
    for number, file in enumerate(columns.files):
        inside = slice(*columns.file_starts[number : number + 2])
        if not columns.parts[number].skipped and (mask is None or mask[inside].any()):
            by_digest.setdefault(file.digest, []).append(number)
    found: dict[int, list[int]] = {}
    batch: list[tuple[bytes, bytes]] = []

    async def look() -> None:
        found.update(
            await asyncio.to_thread(
                _matches,
                pattern=pattern,
                columns=columns,
                mask=mask,
                contents=batch,
                by_digest=by_digest,
                deadline=deadline,
            )
        )
        batch.clear()

    async for pair in snapshot.read_many(by_digest):
        batch.append(pair)
        if len(batch) == _BATCH_FILES:
            await look()
    await look()
    return found


def _matches(
    *,
    pattern: TextPattern,
    columns: Columns,
    mask: NDArray[np.bool_] | None,
    contents: Sequence[tuple[bytes, bytes]],
    by_digest: dict[bytes, list[int]],
    deadline: float,
) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for digest, content in contents:
        lines = pattern.lines_of(content, deadline=deadline)
        for file in by_digest[digest] if lines else ():
            for line, unit in zip(lines, _owners(columns, file, mask, lines), strict=True):
                if unit is not None:
                    found.setdefault(unit, []).append(line)
    return found


def _owners(
    columns: Columns, file: int, mask: NDArray[np.bool_] | None, lines: Sequence[int]
) -> list[int | None]:
    """Return the unit that each line is in."""
    first = int(columns.file_starts[file])
    owners: list[int | None] = [None] * len(lines)
    # A unit comes after those around it, so the last one that has a line is the innermost.
    for place, unit in enumerate(units_of(columns.parts[file])):
        if mask is None or mask[first + place]:
            for index, line in enumerate(lines):
                if unit.first_line <= line <= unit.end_line:
                    owners[index] = first + place
    return owners
