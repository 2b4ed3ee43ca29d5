"""Answers look-ups of names and files in a snapshot: the work of `SymbolService`, without gRPC."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from toolmesh_outlines.languages import assign_languages
from toolmesh_outlines.outline import Outline
from toolmesh_outlines.outliner import Outliner, languages_of
from toolmesh_repomap.corpus import KINDS, Corpus, language_name
from toolmesh_repomap.definition_search import (
    NameQuestion,
    search_definitions,
    used_by_count,
)
from toolmesh_repomap.errors import PathUnknown
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.nearest_paths import why_unknown
from toolmesh_repomap.paths import Role
from toolmesh_repomap.reference_reading import FoundReference, Position, ReferenceReader
from toolmesh_repomap.reference_search import search_uses
from toolmesh_workspaces.snapshot_protocol import Snapshot, SnapshotFile


@dataclass(frozen=True, slots=True)
class FoundDefinition:
    """Where something is defined."""

    path: str
    start_line: int
    end_line: int
    name: str
    kind: str
    container: str
    signature: str
    doc: str
    role: Role
    used_by_file_count: int


@dataclass(frozen=True, slots=True)
class DefinitionPage:
    """Some of the definitions of a name; `count` are all of them."""

    definitions: tuple[FoundDefinition, ...]
    count: int
    similar: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """Some of the lines that use a name, and how many files use it how often in all.

    `is_last` tells that there are no more lines.
    """

    references: tuple[FoundReference, ...]
    is_last: bool
    file_count: int
    use_count: int
    similar: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileOutline:
    """A file's language, empty for none that is known, and its outline."""

    language: str
    outline: Outline


class SymbolFinder:
    """Looks names and files up. All methods raise what a snapshot's `read_many` raises."""

    def __init__(self, keeper: IndexKeeper, outliner: Outliner) -> None:
        self._keeper = keeper
        self._outliner = outliner

    async def definitions(
        self, snapshot: Snapshot, question: NameQuestion, *, start: int, most: int
    ) -> DefinitionPage:
        """Return at most so many definitions of a name, without the first `start` ones."""
        index, _ = await self._keeper.index(snapshot)
        found = await asyncio.to_thread(search_definitions, index, question)
        page = found.definitions[start : start + most]
        docs = await self._docs(snapshot, index, page)
        return DefinitionPage(
            definitions=tuple(_found(index, definition, docs[definition]) for definition in page),
            count=len(found.definitions),
            similar=found.similar,
        )

    async def references(
        self,
        snapshot: Snapshot,
        question: NameQuestion,
        *,
        definition_path: str = "",
        start: Position,
        most: int,
    ) -> ReferencePage:
        """Return at most so many lines that use a name, from a position on.

        Raises:
            PathUnknown: there is no file at `definition_path`.
        """
        index, _ = await self._keeper.index(snapshot)
        row = None
        if definition_path:
            row = index.rows.get(definition_path)
            if row is None:
                raise await _unknown(snapshot, "definition_path", definition_path)
        found = await asyncio.to_thread(search_uses, index, question, row)
        reader = ReferenceReader(snapshot, index, ignore_case=question.ignore_case)
        references = await reader.read(found.files, start=start, most=most + 1)
        return ReferencePage(
            references=tuple(references[:most]),
            is_last=len(references) <= most,
            file_count=len({file.row for file in found.files}),
            use_count=sum(file.use_count for file in found.files),
            similar=found.similar,
        )

    async def outline(self, snapshot: Snapshot, path: str) -> FileOutline:
        """Return the outline of a file; the snapshot need not be indexed for it.

        Raises:
            PathUnknown: there is no file at the path.
        """
        file = next((file for file in snapshot if file.path == path), None)
        if file is None or not file.digest:
            raise await _unknown(snapshot, "path", path)
        if path.lower().endswith(".h"):
            # What the language of a header is, other files tell.
            languages = await asyncio.to_thread(languages_of, snapshot)
        else:
            languages = {p: language.name for p, language in assign_languages([path]).items()}
        outlines = await self._outlines(snapshot, [file], languages)
        return FileOutline(languages.get(path, ""), outlines[path])

    async def _outlines(
        self, snapshot: Snapshot, files: Sequence[SnapshotFile], languages: dict[str, str]
    ) -> dict[str, Outline]:
        batches = self._outliner.outline(snapshot, files=files, languages=languages)
        async with aclosing(batches):
            return {file.path: file.outline async for batch in batches for file in batch}

    async def _docs(
        self, snapshot: Snapshot, index: SnapshotIndex, definitions: Collection[int]
    ) -> dict[int, str]:
        """Return the documentation of definitions, which outlines alone have."""
        corpus = index.corpus
        rows = {definition: corpus.row_of(definition) for definition in definitions}
        names = {
            corpus.paths[row]: language_name(corpus.languages.item(row)) for row in rows.values()
        }
        files = [_File(corpus, row) for row in dict.fromkeys(rows.values())]
        outlines = await self._outlines(snapshot, files, names)
        docs: dict[int, str] = {}
        for definition, row in rows.items():
            place = definition - corpus.columns.definition_first.item(row)
            known = outlines[corpus.paths[row]].definitions
            docs[definition] = known[place].doc if place < len(known) else ""
        return docs


class _File:
    """A row as a file of its snapshot."""

    def __init__(self, corpus: Corpus, row: int) -> None:
        self.path = corpus.paths[row]
        self.digest = corpus.digests[row]
        self.size_bytes = corpus.sizes.item(row)


def _found(index: SnapshotIndex, definition: int, doc: str) -> FoundDefinition:
    corpus, columns = index.corpus, index.corpus.columns
    row = corpus.row_of(definition)
    return FoundDefinition(
        path=corpus.paths[row],
        start_line=columns.definition_line.item(definition),
        end_line=columns.definition_end_line.item(definition),
        name=corpus.name(columns.definition_symbol.item(definition)),
        kind=KINDS[columns.definition_kind.item(definition)],
        container=corpus.container(definition),
        signature=corpus.signature(definition),
        doc=doc,
        role=Role(corpus.roles.item(row)),
        used_by_file_count=used_by_count(index, definition),
    )


async def _unknown(snapshot: Snapshot, field: str, path: str) -> PathUnknown:
    why, nearest = await asyncio.to_thread(why_unknown, list(snapshot), path)
    return PathUnknown.at(field, path, why, nearest)
