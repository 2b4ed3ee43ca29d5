"""Makes the indexes of snapshots, file by file, and only of what was not known before."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns, IndexedFile, make_columns
from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.index_store import IndexStore, PartKey, part_key
from toolmesh_codesearch.meanings import Meanings
from toolmesh_codesearch.parts import FilePart, SourceFile, make_parts
from toolmesh_codesearch.path_roles import path_weights
from toolmesh_codesearch.sections import document_language
from toolmesh_codesearch.units import FILE_KIND, KINDS
from toolmesh_codesearch.word_scores import WordScorer
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Kind
from toolmesh_outlines.outliner import OutlinedFile, Outliner, languages_of
from toolmesh_workspaces.snapshot_protocol import SnapshotFile

# What stands in no symbol is seldom an answer, nor is a value that has but a name.
_FILE_WEIGHT, _VALUE_WEIGHT = 0.85, 0.9
_VALUES = frozenset({Kind.CONSTANT, Kind.VARIABLE, Kind.PROPERTY})
_MOST_BULK = 4.0
_KIND_WEIGHTS = np.array(
    [
        _FILE_WEIGHT if kind == FILE_KIND else _VALUE_WEIGHT if kind in _VALUES else 1.0
        for kind in KINDS
    ],
    dtype=np.float32,
)
# So much of the contents is held together; those of a tree may be gigabytes.
_HELD_BYTES = 2**23


@dataclass(frozen=True, slots=True)
class Progress:
    """How many things of a stage are done; a total of 0 is not known yet."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""Is told how far the work is; it must be quick and must not fail."""


@dataclass(frozen=True, eq=False)
class SnapshotIndex:
    """All that searches of a snapshot are answered from."""

    digest: str
    columns: Columns
    meanings: Meanings
    read_file_count: int

    @cached_property
    def word_scorer(self) -> WordScorer:
        """What scores units by their words."""
        return WordScorer(self.columns)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """What each unit is worth by itself: less in tests and foreign code, and by its kind."""
        columns = self.columns
        paths = path_weights([file.path for file in columns.files])[columns.unit_files]
        return paths * _KIND_WEIGHTS[columns.kinds]

    @cached_property
    def bulk(self) -> NDArray[np.float32]:
        """How long each unit is, from 0 to 1: by the logarithm of its lines, up to 54 of them."""
        first, last = self.columns.lines.T
        return np.minimum(np.log1p(last - first + 1) / _MOST_BULK, 1).astype(np.float32)


class Indexer:
    """Makes indexes; what it learns of a content goes into the store."""

    def __init__(
        self, outliner: Outliner, store: IndexStore, vocabulary: Vocabulary, *, max_file_bytes: int
    ) -> None:
        self._outliner = outliner
        self._store = store
        self._vocabulary = vocabulary
        self._max_file_bytes = max_file_bytes

    async def index(self, snapshot: CachedSnapshot, on_progress: OnProgress) -> SnapshotIndex:
        """Return the index of a snapshot; raises what the snapshot's `read_many` raises."""
        outlined = await asyncio.to_thread(languages_of, snapshot)
        files = [file for file in snapshot if file.digest]
        languages = {
            file.path: outlined.get(file.path) or document_language(file.path) for file in files
        }
        keys = [self._key(file, languages) for file in files]
        parts = await asyncio.to_thread(self._store.parts, set(keys))
        missing = {key: file for key, file in zip(keys, files, strict=True) if key not in parts}
        await self._read(snapshot, list(missing.values()), languages, parts, on_progress)
        indexed = [IndexedFile(file.path, file.digest, languages[file.path]) for file in files]
        ordered = [parts[key] for key in keys]
        return await asyncio.to_thread(
            self._put_together, snapshot.digest, indexed, ordered, len(missing)
        )

    def _key(self, file: SnapshotFile, languages: dict[str, str]) -> PartKey:
        too_large = file.size_bytes > self._max_file_bytes
        return part_key(file.digest, languages[file.path], too_large=too_large)

    async def _read(
        self,
        snapshot: CachedSnapshot,
        files: Sequence[SnapshotFile],
        languages: dict[str, str],
        parts: dict[PartKey, FilePart],
        on_progress: OnProgress,
    ) -> None:
        """Add the parts of files to those that are known."""
        by_path = {file.path: file for file in files}
        done = 0

        async def take(batch: Sequence[OutlinedFile]) -> None:
            nonlocal done
            for some in self._held_together(batch):
                readable = self._readable(some, by_path)
                contents = {key: content async for key, content in snapshot.read_many(readable)}
                made = await asyncio.to_thread(self._made, some, by_path, contents, languages)
                parts.update(made)
                done += len(some)
                on_progress(Progress("files", done, len(files)))

        # The next batch is parsed, in processes of its own, while one is taken apart.
        taking: asyncio.Task[None] | None = None
        outlines = self._outliner.outline(snapshot, files=files)
        try:
            async with aclosing(outlines):
                async for batch in outlines:
                    if taking is not None:
                        await taking
                    taking = asyncio.create_task(take(batch))
            if taking is not None:
                await taking
        finally:
            if taking is not None:
                taking.cancel()

    def _held_together(self, batch: Iterable[OutlinedFile]) -> Iterator[list[OutlinedFile]]:
        """Divide files by the size of what is read of them."""
        files: list[OutlinedFile] = []
        size = 0
        for file in batch:
            files.append(file)
            size += file.size_bytes if file.size_bytes <= self._max_file_bytes else 0
            if size >= _HELD_BYTES:
                yield files
                files, size = [], 0
        if files:
            yield files

    def _readable(
        self, batch: Iterable[OutlinedFile], by_path: dict[str, SnapshotFile]
    ) -> set[bytes]:
        return {
            by_path[file.path].digest
            for file in batch
            if 0 < file.size_bytes <= self._max_file_bytes
        }

    def _made(
        self,
        batch: Iterable[OutlinedFile],
        by_path: dict[str, SnapshotFile],
        contents: dict[bytes, bytes],
        languages: dict[str, str],
    ) -> dict[PartKey, FilePart]:
        keys: list[PartKey] = []
        sources: list[SourceFile] = []
        for file in batch:
            source = by_path[file.path]
            keys.append(self._key(source, languages))
            skipped = "too large" if file.size_bytes > self._max_file_bytes else ""
            content = contents.get(source.digest, b"")
            sources.append(SourceFile(content, languages[file.path], file.outline, skipped))
        made = dict(zip(keys, make_parts(sources, self._vocabulary), strict=True))
        self._store.put_parts(made)
        return {key: each.part for key, each in made.items()}

    def _put_together(
        self,
        digest: str,
        files: Sequence[IndexedFile],
        parts: Sequence[FilePart],
        read_file_count: int,
    ) -> SnapshotIndex:
        columns = make_columns(files, parts, self._vocabulary)
        meanings = Meanings(columns.text_ids)
        meanings.add(self._store.vectors(meanings.missing().tolist()))
        return SnapshotIndex(digest, columns, meanings, read_file_count)
