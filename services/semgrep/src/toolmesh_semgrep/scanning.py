"""Scans a snapshot: what is known of a content is reused, the rest goes to the engine."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from toolmesh_semgrep.engine import Engine, Target
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.result_cache import ResultCache, Rules
from toolmesh_semgrep.results import FileResult, KeptFault, KeptMatch, kept_result
from toolmesh_semgrep.rules import Rule
from toolmesh_semgrep.selection import Selection

_SMALLEST_BATCH_BYTES = 64 * 2**10
_LARGEST_BATCH_BYTES = 2**20
_MOST_BATCH_FILES = 400
_TOO_LARGE = FileResult(faults=(KeptFault(b"", "too large"),))


class SnapshotFile(Protocol):
    """A file or a symbolic link of a snapshot; a link has an empty digest."""

    @property
    def path(self) -> str:
        """From the root, with `/`."""
        ...

    @property
    def digest(self) -> bytes:
        """The digest of the content."""
        ...

    @property
    def size_bytes(self) -> int:
        """The size of the content."""
        ...


class Snapshot(Protocol):
    """An immutable tree of files, known by the digest of all of it."""

    @property
    def digest(self) -> str:
        """What the snapshot is known by."""
        ...

    def __iter__(self) -> Iterator[SnapshotFile]: ...

    def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) for each digest."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the files to scan are done."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """What all rules found, by path; `engine_files` is how many files the engine read for it."""

    snapshot: str
    results: dict[str, list[FileResult]]
    engine_files: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A content to be read in a language by rules; `paths` are the files that have it."""

    key: bytes
    digest: bytes
    size_bytes: int
    language: str
    rules: Rules
    paths: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    """A unit, what is known of it, and the rules that have yet to run on it."""

    unit: _Unit
    results: list[FileResult]
    missing: Rules


class Scanner:
    """Scans snapshots. Files over `max_file_bytes` are named and not read."""

    def __init__(
        self,
        engine: Engine,
        cache: ResultCache,
        languages: EngineLanguages,
        *,
        processes: int,
        max_file_bytes: int,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._languages = languages
        self._processes = processes
        self._max_file_bytes = max_file_bytes

    async def scan(
        self, snapshot: Snapshot, rules: Sequence[Rule], selection: Selection
    ) -> AsyncIterator[Progress | Scanned]:
        """Yield progress, and at the end what was found.

        Raises:
            EngineFailed: the engine cannot be started.
            And what the snapshot's `read_many` raises.
        """
        units = await asyncio.to_thread(self._units, snapshot, rules, selection)
        kept = await asyncio.to_thread(self._cache.get_many, [unit.key for unit in units])
        works = [_work_of(unit, kept.get(unit.key, ())) for unit in units]
        open_works = [work for work in works if work.missing]
        total = len({path for unit in units for path in unit.paths})
        waiting = {path for work in open_works for path in work.unit.paths}
        engine_files = len(waiting)
        yield Progress(total - len(waiting), total)
        by_digest = {rule.digest: rule for rule in rules}
        async for finished in self._run(snapshot, open_works, by_digest):
            for work in finished:
                waiting.difference_update(work.unit.paths)
            yield Progress(total - len(waiting), total)
        results: defaultdict[str, list[FileResult]] = defaultdict(list)
        for work in works:
            for path in work.unit.paths:
                results[path] += work.results
        yield Scanned(snapshot.digest, dict(results), engine_files)

    def _units(
        self, snapshot: Snapshot, rules: Sequence[Rule], selection: Selection
    ) -> list[_Unit]:
        plain: defaultdict[str, set[bytes]] = defaultdict(set)
        by_path: defaultdict[str, set[bytes]] = defaultdict(set)
        for rule in rules:
            for language in rule.languages:
                (by_path if rule.reads_paths else plain)[language].add(rule.digest)
        units: dict[bytes, _Unit] = {}
        for file in snapshot:
            if not file.digest or not selection.has(file.path):
                continue
            for language in self._languages.of_path(file.path):
                for digests, marked in ((plain, b""), (by_path, file.path.encode())):
                    if language in digests:
                        key = _key(file, language, marked)
                        unit = units.setdefault(
                            key,
                            _Unit(
                                key,
                                file.digest,
                                file.size_bytes,
                                language,
                                frozenset(digests[language]),
                            ),
                        )
                        unit.paths.append(file.path)
        return list(units.values())

    async def _run(
        self, snapshot: Snapshot, works: list[_Work], rules: dict[bytes, Rule]
    ) -> AsyncIterator[list[_Work]]:
        """Let the engine finish the works, and yield them as they are done."""
        for work in works:
            if work.unit.size_bytes > self._max_file_bytes:
                work.results.append(_TOO_LARGE)
        works = [work for work in works if work.unit.size_bytes <= self._max_file_bytes]
        tasks: set[asyncio.Task[list[_Work]]] = set()
        try:
            async for batch in self._batches(snapshot, works):
                tasks.add(asyncio.create_task(self._run_batch(batch, rules)))
                # One more than can run, so that reading goes on meanwhile.
                while len(tasks) > self._processes:
                    done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        yield task.result()
            while tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _batches(
        self, snapshot: Snapshot, works: list[_Work]
    ) -> AsyncIterator[list[tuple[_Work, bytes]]]:
        """Yield works with their contents, those of a batch with the same rules to run."""
        groups: defaultdict[tuple[str, Rules], list[_Work]] = defaultdict(list)
        for work in works:
            groups[work.unit.language, work.missing].append(work)
        for group in groups.values():
            by_digest: defaultdict[bytes, list[_Work]] = defaultdict(list)
            for work in group:
                by_digest[work.unit.digest].append(work)
            size = sum(work.unit.size_bytes for work in group)
            most = min(max(size // self._processes, _SMALLEST_BATCH_BYTES), _LARGEST_BATCH_BYTES)
            batch: list[tuple[_Work, bytes]] = []
            batch_bytes = 0
            async for digest, content in snapshot.read_many(by_digest):
                batch += [(work, content) for work in by_digest[digest]]
                batch_bytes += len(content)
                if batch_bytes >= most or len(batch) >= _MOST_BATCH_FILES:
                    yield batch
                    batch, batch_bytes = [], 0
            if batch:
                yield batch

    async def _run_batch(
        self, batch: list[tuple[_Work, bytes]], rules: dict[bytes, Rule]
    ) -> list[_Work]:
        missing = batch[0][0].missing
        chosen = [rules[digest] for digest in sorted(missing)]
        ids = {rule.id: rule.digest for rule in chosen}
        targets = [
            Target(work.unit.paths[0], work.unit.language, content) for work, content in batch
        ]
        found = await self._engine.run(chosen, targets)
        results: dict[bytes, FileResult] = {}
        for (work, content), result in zip(batch, found, strict=True):
            kept = kept_result(result, content, ids)
            work.results.append(kept)
            if all(fault.lasting for fault in result.faults):
                results[work.unit.key] = kept
        await asyncio.to_thread(self._cache.put_many, missing, results)
        return [work for work, _ in batch]


def _key(file: SnapshotFile, language: str, path: bytes) -> bytes:
    # The ending too: by it the engine tells TSX from TypeScript.
    suffix = PurePosixPath(file.path).suffix
    parts = (file.digest, language.encode(), suffix.encode(), path)
    return hashlib.sha256(b"\0".join(parts)).digest()[:20]


def _work_of(unit: _Unit, kept: Iterable[tuple[Rules, FileResult]]) -> _Work:
    """Take of what is kept what the unit's rules found, each rule once."""
    missing = unit.rules
    results: list[FileResult] = []
    for rules, result in sorted(kept, key=lambda item: -len(item[0] & unit.rules)):
        if wanted := rules & missing:
            results.append(_of_rules(result, wanted))
            missing -= wanted
    return _Work(unit, results, missing)


def _of_rules(result: FileResult, rules: Rules) -> FileResult:
    def has(item: KeptMatch | KeptFault) -> bool:
        return not item.rule or item.rule in rules

    return FileResult(
        tuple(match for match in result.matches if has(match)),
        tuple(fault for fault in result.faults if has(fault)),
    )
