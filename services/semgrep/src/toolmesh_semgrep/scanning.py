"""Scans a snapshot: what is known of a content is reused, the rest goes to the engine."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from toolmesh_semgrep.engine import Engine, Patience
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.engine_output import TargetResult, may_pass
from toolmesh_semgrep.engine_process import Target
from toolmesh_semgrep.errors import ScanInvalid
from toolmesh_semgrep.recent_faults import RecentFaults
from toolmesh_semgrep.result_cache import ResultCache, Rules
from toolmesh_semgrep.results import FileResult, KeptFault, kept_faults, kept_result
from toolmesh_semgrep.rules import Rule
from toolmesh_semgrep.selection import Selection
from toolmesh_semgrep.units import Unit, units_of
from toolmesh_workspaces.snapshot_protocol import Snapshot

_SMALLEST_BATCH_BYTES = 64 * 2**10
_LARGEST_BATCH_BYTES = 2**20
_MOST_BATCH_FILES = 400
_TOO_LARGE = FileResult(faults=(KeptFault(b"", "too large"),))


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


@dataclass(slots=True)
class _Work:
    """A unit, what is known of it, and the rules that have yet to run on it."""

    unit: Unit
    results: list[FileResult]
    missing: Rules

    @property
    def kilobytes(self) -> int:
        return sum(result.kilobytes for result in self.results) * len(self.unit.paths)


class Scanner:
    """Scans snapshots.

    Files over `max_file_bytes` are named and not read; a scan with over `max_matches` is refused,
    where a match of several kilobytes counts as several.
    """

    def __init__(
        self,
        engine: Engine,
        cache: ResultCache,
        languages: EngineLanguages,
        *,
        processes: int,
        max_file_bytes: int,
        max_matches: int,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._languages = languages
        self._processes = processes
        self._max_file_bytes = max_file_bytes
        self._max_matches = max_matches
        self._faults = RecentFaults()

    async def scan(
        self, snapshot: Snapshot, rules: Sequence[Rule], selection: Selection, patience: Patience
    ) -> AsyncGenerator[Progress | Scanned]:
        """Yield progress, and at the end what was found.

        Raises:
            EngineFailed: the engine cannot be started.
            ScanInvalid: the rules match in more places than a scan can report.
            And what the snapshot's `read_many` raises.
        """
        works = await asyncio.to_thread(self._works, snapshot, rules, selection)
        open_works = [work for work in works if work.missing]
        total = len({path for work in works for path in work.unit.paths})
        waiting = {path for work in open_works for path in work.unit.paths}
        engine_files = len(waiting)
        kilobytes = sum(work.kilobytes for work in works if not work.missing)
        self._check(kilobytes)
        yield Progress(total - len(waiting), total)
        by_digest = {rule.digest: rule for rule in rules}
        async with aclosing(self._run(snapshot, open_works, by_digest, patience)) as runs:
            async for finished in runs:
                kilobytes += sum(work.kilobytes for work in finished)
                self._check(kilobytes)
                for work in finished:
                    waiting.difference_update(work.unit.paths)
                yield Progress(total - len(waiting), total)
        results: defaultdict[str, list[FileResult]] = defaultdict(list)
        for work in works:
            for path in work.unit.paths:
                results[path] += work.results
        yield Scanned(snapshot.digest, dict(results), engine_files)

    def _check(self, kilobytes: int) -> None:
        if kilobytes > self._max_matches:
            raise ScanInvalid.at(
                "rules",
                f"they match in more than {self._max_matches:,} places (one with long texts counts"
                " as several): write them narrower, use fewer, or choose files with `include`",
            )

    def _works(
        self, snapshot: Snapshot, rules: Sequence[Rule], selection: Selection
    ) -> list[_Work]:
        """Return what there is to look at, with what is known of it."""
        units = units_of(snapshot, rules, selection, self._languages)
        kept = self._cache.get_many(
            (unit.key for unit in units),
            [rule.digest for rule in rules],
            most_kilobytes=self._max_matches,
        )
        works: list[_Work] = []
        for unit in units:
            work = _work_of(unit, kept.get(unit.key, ()))
            if work.missing and unit.size_bytes > self._max_file_bytes:
                work.results, work.missing = [_TOO_LARGE], frozenset()
            elif work.missing:
                failed, faults = self._faults.of(unit.key, work.missing)
                work.results.append(FileResult(faults=faults))
                work.missing -= failed
            works.append(work)
        return works

    async def _run(
        self,
        snapshot: Snapshot,
        works: list[_Work],
        rules: Mapping[bytes, Rule],
        patience: Patience,
    ) -> AsyncGenerator[list[_Work]]:
        """Let the engine finish the works, and yield them as they are done."""
        tasks: set[asyncio.Task[list[_Work]]] = set()
        try:
            async for batch in self._batches(snapshot, works):
                tasks.add(asyncio.create_task(self._run_batch(batch, rules, patience)))
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
    ) -> AsyncGenerator[list[tuple[_Work, bytes]]]:
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
                # Of equal contents, each by its own path is written for the engine.
                for work in by_digest[digest]:
                    batch.append((work, content))
                    batch_bytes += len(content)
                    if batch_bytes >= most or len(batch) >= _MOST_BATCH_FILES:
                        yield batch
                        batch, batch_bytes = [], 0
            if batch:
                yield batch

    async def _run_batch(
        self, batch: list[tuple[_Work, bytes]], rules: Mapping[bytes, Rule], patience: Patience
    ) -> list[_Work]:
        chosen = [rules[digest] for digest in sorted(batch[0][0].missing)]
        targets = [
            Target(work.unit.paths[0], work.unit.language, content) for work, content in batch
        ]
        found = await self._engine.run(chosen, targets, patience)
        await asyncio.to_thread(self._keep, batch, found, chosen)
        return [work for work, _ in batch]

    def _keep(
        self,
        batch: list[tuple[_Work, bytes]],
        found: list[TargetResult],
        rules: Sequence[Rule],
    ) -> None:
        """Add what was found to the works, and keep of it what will be so the next time."""
        digests = {rule.id: rule.digest for rule in rules}
        lasting: defaultdict[Rules, dict[bytes, FileResult]] = defaultdict(dict)
        for (work, content), result in zip(batch, found, strict=True):
            kept = kept_result(result, content, digests)
            work.results.append(kept)
            doubtful = [fault for fault in result.faults if may_pass(fault.reason)]
            passing = tuple(fault for fault in doubtful if fault.passing)
            for fault in kept_faults(passing, digests):
                self._faults.add(work.unit.key, fault, work.missing)
            named = {digests.get(fault.rule, b"") for fault in doubtful}
            if b"" not in named and (sure := work.missing - named):
                lasting[sure][work.unit.key] = kept.of_rules(sure)
        for sure, results in lasting.items():
            self._cache.put_many(sure, results)


def _work_of(unit: Unit, kept: Iterable[tuple[Rules, FileResult]]) -> _Work:
    """Take of what is kept what the unit's rules found, each rule once."""
    missing = unit.rules
    results: list[FileResult] = []
    for rules, result in sorted(kept, key=lambda item: -len(item[0] & unit.rules)):
        if wanted := rules & missing:
            results.append(result.of_rules(wanted))
            missing -= wanted
    return _Work(unit, results, missing)
