"""Gives the outlines of a whole snapshot: from the cache, and where it has none, by parsing."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from toolmesh_outlines.languages import assign_languages
from toolmesh_outlines.outline import Outline, decode_outline
from toolmesh_outlines.outline_cache import OutlineCache, OutlineKey
from toolmesh_outlines.snapshot import Snapshot, SnapshotFile
from toolmesh_outlines.worker_pool import WorkerPool

# Files that are in the pool's hands at once: enough to keep it busy, few enough to hold in memory.
_MOST_IN_FLIGHT = 64
_CACHE_BATCH = 256
_NOTHING = Outline()


@dataclass(frozen=True, slots=True)
class OutlinedFile:
    """A file, its language ("" when none that is known) and its outline.

    A file in no known language has an empty outline; one that could not be read says why in
    `outline.skipped`.
    """

    path: str
    language: str
    size_bytes: int
    outline: Outline


@dataclass(frozen=True, slots=True)
class OutlinedSnapshot:
    """All files of a snapshot, without its links; `parsed_file_count` were not known before."""

    files: tuple[OutlinedFile, ...]
    parsed_file_count: int


class Outliner:
    """Reads the outlines of snapshots; each content is parsed once, whichever snapshots have it."""

    def __init__(self, pool: WorkerPool, cache: OutlineCache, *, max_file_bytes: int) -> None:
        self._pool = pool
        self._cache = cache
        self._max_file_bytes = max_file_bytes

    async def outline(self, snapshot: Snapshot) -> OutlinedSnapshot:
        """Return the outlines of all files of a snapshot.

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
        outlined = [self._outlined(file, languages.get(file.path, ""), outlines) for file in files]
        parsed_count = sum((file.digest, languages.get(file.path, "")) in parsed for file in files)
        return OutlinedSnapshot(files=tuple(outlined), parsed_file_count=parsed_count)

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

    def _outlined(
        self, file: SnapshotFile, language: str, outlines: dict[OutlineKey, Outline]
    ) -> OutlinedFile:
        outline = _NOTHING  # an empty file is a fine piece of code that defines nothing
        if language and file.size_bytes > self._max_file_bytes:
            outline = Outline(skipped="too large")
        elif language:
            outline = outlines.get((file.digest, language), _NOTHING)
        return OutlinedFile(file.path, language, file.size_bytes, outline)


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
