"""Makes the index of a snapshot: its outlines, and the graph of who uses what."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from toolmesh_outlines.outline import Outline
from toolmesh_outlines.outliner import OutlinedFile, Outliner
from toolmesh_outlines.snapshot import Snapshot
from toolmesh_repomap.reference_graph import ReferenceGraph, SourceFile, build_graph


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file in a known language that could not be read as code, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class SnapshotIndex:
    """All that a map of a snapshot is drawn from.

    `other_paths` are the files without an outline: in no known language, or skipped.
    """

    files: tuple[SourceFile, ...]
    places: dict[str, int]
    other_paths: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
    graph: ReferenceGraph
    definition_count: int

    @property
    def file_count(self) -> int:
        """How many files the snapshot has."""
        return len(self.files) + len(self.other_paths)


class Indexer:
    """Makes the indexes of snapshots out of their outlines."""

    def __init__(self, outliner: Outliner) -> None:
        self._outliner = outliner

    async def index(self, snapshot: Snapshot) -> tuple[SnapshotIndex, int]:
        """Return the index of a snapshot, and how many of its files were parsed for it.

        Raises what the snapshot's `read_many` raises.
        """
        outlined = await self._outliner.outline(snapshot)
        index = await asyncio.to_thread(_index_of, outlined.files)
        return index, outlined.parsed_file_count


def _index_of(files: Iterable[OutlinedFile]) -> SnapshotIndex:
    sources: list[SourceFile] = []
    others: list[str] = []
    skipped: list[SkippedFile] = []
    for file in files:
        if file.outline.skipped:
            skipped.append(SkippedFile(file.path, file.outline.skipped))
        if file.outline.skipped or not file.language:
            others.append(file.path)
        else:
            sources.append(SourceFile(file.path, file.language, file.outline))
    return SnapshotIndex(
        # The graph holds what the uses and imports say; they are the larger part.
        files=tuple(map(_without_uses, sources)),
        places={file.path: index for index, file in enumerate(sources)},
        other_paths=tuple(others),
        skipped=tuple(skipped),
        graph=build_graph(sources),
        definition_count=sum(len(file.outline.definitions) for file in sources),
    )


def _without_uses(file: SourceFile) -> SourceFile:
    return SourceFile(file.path, file.language, Outline(definitions=file.outline.definitions))
