"""Reads the lines that use a name out of the files of a snapshot."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolmesh_outlines.languages import language_named
from toolmesh_repomap.corpus import language_name
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.line_search import FoundLine, lines_with
from toolmesh_repomap.reference_search import Basis, UsingFile
from toolmesh_workspaces.snapshot_protocol import Snapshot

# How many files are read at once.
_FILES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the references of a name: behind so many files, and lines of the next one."""

    files: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class FoundReference:
    """A line that uses a name, what it probably means, and the position behind it."""

    path: str
    line: FoundLine
    basis: Basis
    definition_path: str
    following: Position


class ReferenceReader:
    """Reads references; it raises what the snapshot's `read_many` raises."""

    def __init__(self, snapshot: Snapshot, index: SnapshotIndex, *, ignore_case: bool) -> None:
        self._snapshot = snapshot
        self._index = index
        self._ignore_case = ignore_case

    async def read(
        self, files: Sequence[UsingFile], *, start: Position, most: int
    ) -> list[FoundReference]:
        """Return so many references, fewer only when there are no more."""
        found: list[FoundReference] = []
        for at in range(start.files, len(files), _FILES_AT_ONCE):
            some = files[at : at + _FILES_AT_ONCE]
            digests = dict.fromkeys(self._index.corpus.digests[file.row] for file in some)
            contents = {digest: data async for digest, data in self._snapshot.read_many(digests)}
            for place, file in enumerate(some, start=at):
                skipped = start.lines if place == start.files else 0
                content = contents[self._index.corpus.digests[file.row]]
                lines = await asyncio.to_thread(self._lines, file, content)
                found += self._references(file, lines, Position(place, skipped))
                if len(found) >= most:
                    return found[:most]
        return found

    def _lines(self, file: UsingFile, content: bytes) -> list[FoundLine]:
        corpus, columns = self._index.corpus, self._index.corpus.columns
        definitions = np.arange(
            columns.definition_first[file.row], columns.definition_first[file.row + 1]
        )
        named = definitions[columns.definition_symbol[definitions] == file.symbol]
        language = language_named(language_name(corpus.languages.item(file.row)))
        return lines_with(
            content,
            corpus.name(file.symbol),
            ignore_case=self._ignore_case,
            definition_lines=columns.definition_line[named].tolist(),
            line_comment=language.line_comment,
        )

    def _references(
        self, file: UsingFile, lines: Sequence[FoundLine], position: Position
    ) -> list[FoundReference]:
        paths = self._index.corpus.paths
        is_plain = len(self._index.graph.places_of(file.symbol)) == 1
        is_told = len(file.meant_rows) == 1 and not is_plain
        meant = paths[file.meant_rows[0]] if is_told else ""
        return [
            FoundReference(
                path=paths[file.row],
                line=line,
                basis=file.basis,
                definition_path=meant,
                following=Position(position.files, number + 1),
            )
            for number, line in enumerate(lines)
            if number >= position.lines
        ]
