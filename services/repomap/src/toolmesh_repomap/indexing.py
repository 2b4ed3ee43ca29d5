"""Reads the outlines of a whole snapshot: from the cache, and where it has none, by parsing."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from toolmesh_repomap.languages import assign_languages
from toolmesh_repomap.outline import Outline, decode_outline
from toolmesh_repomap.outline_cache import OutlineCache, OutlineKey
from toolmesh_repomap.reference_graph import ReferenceGraph, SourceFile, build_graph
from toolmesh_repomap.snapshot import Snapshot, SnapshotFile
from toolmesh_repomap.worker_pool import WorkerPool

# Files that are in the pool's hands at once: enough to keep it busy, few enough to hold in memory.
_MOST_IN_FLIGHT = 64
_CACHE_BATCH = 256


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
    """Makes the index of a snapshot; each content is parsed once, whichever snapshots have it."""

    def __init__(self, pool: WorkerPool, cache: OutlineCache, *, max_file_bytes: int) -> None:
        self._pool = pool
        self._cache = cache
        self._max_file_bytes = max_file_bytes

    async def index(self, snapshot: Snapshot) -> tuple[SnapshotIndex, int]:
        """Return the index of a snapshot, and how many of its files were parsed for it.

        Raises what the snapshot's `read_many` raises.
        """
        files = [file for file in snapshot if file.digest]
        languages = await asyncio.to_thread(_languages_of, files)
        keys = {
            (file.digest, languages[file.path])
            for file in files
            if file.path in languages and 0 < file.size_bytes <= self._max_file_bytes
        }
        encoded = await asyncio.to_thread(self._cache.get_many, keys)
        outlines = await asyncio.to_thread(_decode_all, encoded)
        parsed = await self._parse(snapshot, keys - outlines.keys())
        outlines.update(await asyncio.to_thread(_decode_all, parsed))
        parsed_count = sum((file.digest, languages.get(file.path, "")) in parsed for file in files)
        index = await asyncio.to_thread(self._build, files, languages, outlines)
        return index, parsed_count

    async def _parse(self, snapshot: Snapshot, keys: set[OutlineKey]) -> dict[OutlineKey, bytes]:
        """Return the encoded outlines of contents that the cache does not have, and keep them."""
        languages: defaultdict[bytes, list[str]] = defaultdict(list)
        for digest, language in sorted(keys):
            languages[digest].append(language)
        parsed: dict[OutlineKey, bytes] = {}
        unkept: dict[OutlineKey, bytes] = {}
        async for key, outline in self._outlines(snapshot, languages):
            parsed[key] = unkept[key] = outline
            if len(unkept) >= _CACHE_BATCH:
                await asyncio.to_thread(self._cache.put_many, unkept)
                unkept = {}
        if unkept:
            await asyncio.to_thread(self._cache.put_many, unkept)
        return parsed

    async def _outlines(
        self, snapshot: Snapshot, languages: dict[bytes, list[str]]
    ) -> AsyncIterator[tuple[OutlineKey, bytes]]:
        """Yield outlines as they are done, while the next contents arrive."""
        tasks: dict[asyncio.Task[bytes], OutlineKey] = {}
        try:
            async for digest, content in snapshot.read_many(languages):
                for language in languages[digest]:
                    task = asyncio.create_task(self._pool.extract(content, language))
                    tasks[task] = (digest, language)
                if len(tasks) >= _MOST_IN_FLIGHT:
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        yield tasks.pop(task), task.result()
            while tasks:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield tasks.pop(task), task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _build(
        self,
        files: list[SnapshotFile],
        languages: dict[str, str],
        outlines: dict[OutlineKey, Outline],
    ) -> SnapshotIndex:
        sources: list[SourceFile] = []
        others: list[str] = []
        skipped: list[SkippedFile] = []
        for file in files:
            language = languages.get(file.path)
            if language is None:
                others.append(file.path)
                continue
            outline = self._outline_of(file, language, outlines)
            if outline.skipped:
                others.append(file.path)
                skipped.append(SkippedFile(file.path, outline.skipped))
            else:
                sources.append(SourceFile(file.path, language, outline))
        return SnapshotIndex(
            # The graph holds what the uses and imports say; they are the larger part.
            files=tuple(map(_without_uses, sources)),
            places={file.path: index for index, file in enumerate(sources)},
            other_paths=tuple(others),
            skipped=tuple(skipped),
            graph=build_graph(sources),
            definition_count=sum(len(file.outline.definitions) for file in sources),
        )

    def _outline_of(
        self, file: SnapshotFile, language: str, outlines: dict[OutlineKey, Outline]
    ) -> Outline:
        if file.size_bytes > self._max_file_bytes:
            return Outline(skipped="too large")
        # An empty file is a fine piece of code that defines nothing.
        return outlines.get((file.digest, language), _NOTHING)


_NOTHING = Outline()


def _without_uses(file: SourceFile) -> SourceFile:
    return SourceFile(file.path, file.language, Outline(definitions=file.outline.definitions))


def _languages_of(files: Iterable[SnapshotFile]) -> dict[str, str]:
    assigned = assign_languages(file.path for file in files)
    return {path: language.name for path, language in assigned.items()}


def _decode_all(encoded: dict[OutlineKey, bytes]) -> dict[OutlineKey, Outline]:
    """Decode outlines; one that is damaged is left out, and so is made anew."""
    outlines: dict[OutlineKey, Outline] = {}
    for key, data in encoded.items():
        try:
            outlines[key] = decode_outline(data)
        except ValueError:
            continue
    return outlines
