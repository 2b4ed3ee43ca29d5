"""A scan from the request to the report: the service's one job, without gRPC."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import msgspec

from toolmesh_semgrep.engine import Patience
from toolmesh_semgrep.errors import ScansBusy
from toolmesh_semgrep.recent_reports import RecentReports
from toolmesh_semgrep.reporting import Report, report
from toolmesh_semgrep.rule_choice import Choice, RuleChooser
from toolmesh_semgrep.rules import Rule, Severity
from toolmesh_semgrep.scanning import Progress, Scanned, Scanner
from toolmesh_semgrep.selection import IGNORE_FILE, Selection
from toolmesh_serving.call_limit import CallLimit
from toolmesh_workspaces.snapshot_protocol import Snapshot

_RETRY_SECONDS = 2.0
_MOST_IGNORE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class ScanSpec:
    """What to scan for, and where."""

    choice: Choice
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    severities: frozenset[Severity] = frozenset()


@dataclass(frozen=True, slots=True)
class Reported:
    """A report, and the rules that ran for it."""

    report: Report
    rules: tuple[Rule, ...]


class Scans:
    """Runs scans, so many at once and no more, and each for so many seconds and no longer."""

    def __init__(
        self, chooser: RuleChooser, scanner: Scanner, *, most_at_once: int, seconds: float
    ) -> None:
        self._seconds = seconds
        self._chooser = chooser
        self._scanner = scanner
        self._limit = CallLimit(
            most_at_once, busy=ScansBusy, work="scans", retry_seconds=_RETRY_SECONDS
        )
        self._recent = RecentReports()

    async def run(
        self, spec: ScanSpec, snapshot: Snapshot, baseline: Snapshot | None
    ) -> AsyncGenerator[Progress | Reported]:
        """Yield progress, and at the end the report.

        The scan waits for nobody who reads slowly: of progress that was not read, the last counts,
        and its place is free when the report is made.

        Raises:
            ScansBusy: too many are under way, or none of its time was left for the scan itself.
            RuleInvalid, PackUnknown, LanguageUnknown, ScanInvalid: the field at fault is named.
            EngineFailed: the engine cannot be started.
            And what the snapshots' `read_many` raises.
        """
        unread: Progress | None = None
        changed = asyncio.Event()

        def tell(progress: Progress) -> None:
            nonlocal unread
            unread = progress
            changed.set()

        async def in_place() -> Reported:
            with self._limit.place():
                return await self._report(spec, snapshot, baseline, tell)

        scan = asyncio.create_task(in_place())
        scan.add_done_callback(lambda _: changed.set())
        try:
            done = False
            while not done:
                await changed.wait()
                changed.clear()
                done = scan.done()
                if unread is not None:
                    progress, unread = unread, None
                    yield progress
            yield scan.result()
        finally:
            scan.cancel()
            await asyncio.gather(scan, return_exceptions=True)

    @asynccontextmanager
    async def reported(
        self, spec: ScanSpec, snapshot: Snapshot, baseline: Snapshot | None
    ) -> AsyncGenerator[Reported]:
        """Give the report, and keep the scan's place while an answer is made of it.

        Raises what `run` raises.
        """
        with self._limit.place():
            yield await self._report(spec, snapshot, baseline)

    async def _report(
        self,
        spec: ScanSpec,
        snapshot: Snapshot,
        baseline: Snapshot | None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> Reported:
        patience = Patience.of(self._seconds)
        rules = await self._rules(spec, patience)
        key = _key(spec, rules, snapshot, baseline)
        known = self._recent.get(key)
        if known is not None:
            tell(Progress(known.file_count, known.file_count))
            return Reported(known, rules)
        found = await self._scan(spec, snapshot, rules, patience, tell)
        before = None
        if baseline is not None:
            before = await self._scan(spec, baseline, rules, patience)
        by_digest = {rule.digest: rule for rule in rules}
        made = await asyncio.to_thread(report, found, by_digest, baseline=before)
        self._recent.keep(key, made)
        return Reported(made, rules)

    async def _rules(self, spec: ScanSpec, patience: Patience) -> tuple[Rule, ...]:
        try:
            async with asyncio.timeout_at(patience.until):
                rules = await self._chooser.choose(spec.choice)
        except TimeoutError:
            raise ScansBusy(
                "other scans took all the time of this one; try again in a moment",
                retry_after_seconds=_RETRY_SECONDS,
            ) from None
        if spec.severities:
            rules = tuple(rule for rule in rules if rule.severity in spec.severities)
        return rules

    async def _scan(
        self,
        spec: ScanSpec,
        snapshot: Snapshot,
        rules: tuple[Rule, ...],
        patience: Patience,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> Scanned:
        ignored = await _ignored_by(snapshot)
        # The ignore file may be long, and take long to compile.
        selection = await asyncio.to_thread(
            Selection, include=spec.include, exclude=spec.exclude, ignored=ignored
        )
        async with aclosing(self._scanner.scan(snapshot, rules, selection, patience)) as steps:
            async for step in steps:
                if isinstance(step, Scanned):
                    return step
                tell(step)
        raise AssertionError("a scan ends with what it found")


def _key(
    spec: ScanSpec, rules: Sequence[Rule], snapshot: Snapshot, baseline: Snapshot | None
) -> bytes:
    """Return what tells this scan from every other."""
    digests = [rule.digest for rule in rules]
    trees = (snapshot.digest, "" if baseline is None else baseline.digest)
    said = (trees, list(spec.include), list(spec.exclude), digests)
    return hashlib.sha256(msgspec.msgpack.encode(said)).digest()


async def _ignored_by(snapshot: Snapshot) -> str:
    """Return what the workspace's own ignore file says; one that is far too long counts
    as empty."""
    for file in snapshot:
        if file.path == IGNORE_FILE and file.digest and file.size_bytes <= _MOST_IGNORE_BYTES:
            async for _, content in snapshot.read_many([file.digest]):
                return content.decode("utf-8", "replace")
    return ""
