"""Gives the outlines of a snapshot's files: from the cache, and where it has none, by parsing.

They come in batches and are not kept, so that the outlines of a large tree, which are many small
objects, never lie in memory all together.
"""

import asyncio
import time
from asyncio import FIRST_COMPLETED
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from toolmesh_outlines.languages import assign_languages
from toolmesh_outlines.outline import PASSING_FAILURES, Outline, decode_outline
from toolmesh_outlines.outline_cache import OutlineCache, OutlineKey
from toolmesh_outlines.worker_job import Job
from toolmesh_outlines.worker_pool import GROUP_FILES, WorkerPool
from toolmesh_workspaces.snapshot_protocol import Snapshot, SnapshotFile

# A group has no more than that, unless it is one large file.
_GROUP_BYTES = 2**16
# Groups that are in the pool's hands at once: enough to keep it busy, few enough to hold in memory.
_MOST_IN_FLIGHT = 16
_BATCH_FILES = 256
# Fewer, so that little is left to do with outlines when the last has been parsed.
_PARSED_FILES = 128
# Fewer still where files are slow: what is parsed but not kept is lost when the process is killed.
_KEPT_EVERY_SECONDS = 1.0
# How long a content is left alone on which parsing failed in passing.
_REST_SECONDS = 600.0
_NOTHING = Outline()


@dataclass(frozen=True, slots=True)
class OutlinedFile:
    """A file, its language ("" when none that is known) and its outline.

    A file in no known language has an empty outline; one that could not be read says why in
    `outline.skipped`. `is_parsed` tells that its content was not known before.
    """

    path: str
    language: str
    size_bytes: int
    outline: Outline
    is_parsed: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How many files of those asked for are done, and how many of these had to be parsed."""

    done_file_count: int
    total_file_count: int
    parsed_file_count: int


OnProgress = Callable[[Progress], None]
"""Is told of the progress after every batch of files; it must be quick and must not fail."""


def languages_of(snapshot: Iterable[SnapshotFile]) -> dict[str, str]:
    """Return the name of the language of each path that is in a known one."""
    assigned = assign_languages(file.path for file in snapshot)
    return {path: language.name for path, language in assigned.items()}


class Outliner:
    """Reads the outlines of snapshots; each content is parsed once, whichever snapshots have it.

    Without a cache, contents are parsed each time that they are asked for. `with_uses` tells
    whether outlines say what names are used; a cache has either those that do or those that don't.

    A content that took too long or crashed the parser is tried again ten minutes later by the
    `clock`.
    """

    def __init__(
        self,
        pool: WorkerPool,
        cache: OutlineCache | None,
        *,
        max_file_bytes: int,
        with_uses: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._cache = cache
        self._max_file_bytes = max_file_bytes
        self._with_uses = with_uses
        self._clock = clock
        # Contents that are left alone: why, and until when.
        self._resting: dict[OutlineKey, tuple[Outline, float]] = {}

    async def outline(
        self,
        snapshot: Snapshot,
        *,
        files: Sequence[SnapshotFile] | None = None,
        languages: Mapping[str, str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> AsyncGenerator[list[OutlinedFile]]:
        """Yield the outlines of a snapshot's files, or of those in `files`, in any order.

        `languages` is what `languages_of` says of the snapshot, for who knows it already. Raises
        what the snapshot's `read_many` raises.
        """
        if languages is None:
            languages = await asyncio.to_thread(languages_of, snapshot)
        files = [file for file in (snapshot if files is None else files) if file.digest]
        done_count = parsed_count = 0
        async with aclosing(self._batches(snapshot, files, languages)) as batches:
            async for batch in batches:
                done_count += len(batch)
                parsed_count += sum(file.is_parsed for file in batch)
                if on_progress is not None:
                    on_progress(Progress(done_count, len(files), parsed_count))
                yield batch

    async def _batches(
        self, snapshot: Snapshot, files: Sequence[SnapshotFile], languages: Mapping[str, str]
    ) -> AsyncGenerator[list[OutlinedFile]]:
        by_key: defaultdict[OutlineKey, list[SnapshotFile]] = defaultdict(list)
        unread: list[OutlinedFile] = []
        for file in files:
            language = languages.get(file.path, "")
            if language and 0 < file.size_bytes <= self._max_file_bytes:
                by_key[file.digest, language].append(file)
            else:
                is_large = language and file.size_bytes
                outline = Outline(skipped="too large") if is_large else _NOTHING
                unread.append(OutlinedFile(file.path, language, file.size_bytes, outline))
        yield unread
        unknown: set[OutlineKey] = set()
        for keys in _batched(sorted(by_key), _BATCH_FILES):
            outlines = await asyncio.to_thread(self._cached, keys)
            unknown.update(key for key in keys if key not in outlines)
            yield _outlined(outlines, by_key, is_parsed=False)
        # In the order of their paths: what lies together often has the same names.
        ordered = [key for key in by_key if key in unknown]
        async with aclosing(self._parsed(snapshot, ordered)) as parsed:
            async for outlines in parsed:
                yield _outlined(outlines, by_key, is_parsed=True)

    def _cached(self, keys: list[OutlineKey]) -> dict[OutlineKey, Outline]:
        outlines = _decoded(self._cache.get_many(keys)) if self._cache is not None else {}
        now = self._clock()
        for key in keys:
            resting, until = self._resting.get(key, (_NOTHING, now))
            if until > now:
                outlines[key] = resting
        return outlines

    async def _kept(self, encoded: dict[OutlineKey, bytes]) -> dict[OutlineKey, Outline]:
        """Return outlines that are new, and keep them, though who waits for it is cancelled."""
        if not encoded:
            return {}
        return await asyncio.shield(asyncio.to_thread(self._keep, encoded))

    def _keep(self, encoded: dict[OutlineKey, bytes]) -> dict[OutlineKey, Outline]:
        outlines = _decoded(encoded)
        failed = {
            key: outline for key, outline in outlines.items() if outline.skipped in PASSING_FAILURES
        }
        now = self._clock()
        resting = {key: kept for key, kept in self._resting.items() if kept[1] > now}
        resting |= {key: (outline, now + _REST_SECONDS) for key, outline in failed.items()}
        self._resting = resting
        if self._cache is not None:
            self._cache.put_many({key: encoded[key] for key in outlines.keys() - failed.keys()})
        return outlines

    async def _parsed(
        self, snapshot: Snapshot, keys: Iterable[OutlineKey]
    ) -> AsyncGenerator[dict[OutlineKey, Outline]]:
        """Yield the outlines of contents that the cache does not have, and keep them.

        Whoever is cancelled, as by a deadline, and asks again goes on from what is parsed.
        """
        languages: defaultdict[bytes, list[str]] = defaultdict(list)
        for digest, language in keys:
            languages[digest].append(language)
        self._pool.expect(sum(map(len, languages.values())))
        batch: dict[OutlineKey, bytes] = {}
        kept_at = self._clock()
        try:
            async with aclosing(self._extracted(snapshot, languages)) as extracted:
                async for outlines in extracted:
                    batch |= outlines
                    is_due = self._clock() - kept_at >= _KEPT_EVERY_SECONDS
                    if is_due or len(batch) >= _PARSED_FILES:
                        ready, batch = batch, {}
                        yield await self._kept(ready)
                        kept_at = self._clock()
        finally:
            rest = await self._kept(batch)
        if rest:
            yield rest

    async def _extracted(
        self, snapshot: Snapshot, languages: dict[bytes, list[str]]
    ) -> AsyncGenerator[dict[OutlineKey, bytes]]:
        """Yield outlines as they are done, while the next contents arrive."""
        tasks: set[asyncio.Task[dict[OutlineKey, bytes]]] = set()
        try:
            async with aclosing(_groups(snapshot, languages)) as groups:
                async for group in groups:
                    tasks.add(asyncio.create_task(self._extract(group)))
                    if len(tasks) >= _MOST_IN_FLIGHT:
                        yield await _next_of(tasks)
            while tasks:
                yield await _next_of(tasks)
        finally:
            for task in tasks:
                task.cancel()
            # Some may be done, but not taken yet.
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for outlines in ends:
                if isinstance(outlines, dict):
                    await self._kept(outlines)

    async def _extract(self, group: dict[OutlineKey, bytes]) -> dict[OutlineKey, bytes]:
        """Return the encoded outlines of contents."""
        uses = self._with_uses
        jobs = [Job(language, content, uses) for (_, language), content in group.items()]
        return dict(zip(group, await self._pool.extract(jobs), strict=True))


async def _next_of(tasks: set[asyncio.Task[dict[OutlineKey, bytes]]]) -> dict[OutlineKey, bytes]:
    """Take one that is done out of some tasks, and return its result."""
    done, _ = await asyncio.wait(tasks, return_when=FIRST_COMPLETED)
    task = done.pop()
    tasks.discard(task)
    return task.result()


async def _groups(
    snapshot: Snapshot, languages: dict[bytes, list[str]]
) -> AsyncGenerator[dict[OutlineKey, bytes]]:
    """Yield contents as they arrive, so many together as a worker gets at once."""
    group: dict[OutlineKey, bytes] = {}
    size = 0
    async for digest, content in snapshot.read_many(languages):
        for language in languages[digest]:
            if group and (len(group) >= GROUP_FILES or size + len(content) > _GROUP_BYTES):
                yield group
                group, size = {}, 0
            group[digest, language] = content
            size += len(content)
    if group:
        yield group


def _outlined(
    outlines: dict[OutlineKey, Outline],
    by_key: dict[OutlineKey, list[SnapshotFile]],
    *,
    is_parsed: bool,
) -> list[OutlinedFile]:
    return [
        OutlinedFile(file.path, key[1], file.size_bytes, outline, is_parsed)
        for key, outline in outlines.items()
        for file in by_key[key]
    ]


def _decoded(encoded: dict[OutlineKey, bytes]) -> dict[OutlineKey, Outline]:
    """Decode outlines; one that is damaged is left out, and so is made anew."""
    outlines: dict[OutlineKey, Outline] = {}
    for key, data in encoded.items():
        try:
            outlines[key] = decode_outline(data)
        except ValueError:
            continue
    return outlines


def _batched(keys: Iterable[OutlineKey], size: int) -> Iterator[list[OutlineKey]]:
    iterator = iter(keys)
    while batch := list(islice(iterator, size)):
        yield batch
