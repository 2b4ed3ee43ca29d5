"""A scan from the request to the report: the service's one job, without gRPC."""

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from toolmesh_semgrep.errors import ScansBusy
from toolmesh_semgrep.reporting import Report, report
from toolmesh_semgrep.rule_choice import Choice, RuleChooser
from toolmesh_semgrep.rules import Rule, Severity
from toolmesh_semgrep.scanning import Progress, Scanned, Scanner, Snapshot
from toolmesh_semgrep.selection import IGNORE_FILE, Selection

_RETRY_SECONDS = 2.0


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
    """Runs scans, so many at once and no more."""

    def __init__(self, chooser: RuleChooser, scanner: Scanner, *, most_at_once: int) -> None:
        self._chooser = chooser
        self._scanner = scanner
        self._free = most_at_once

    async def run(
        self, spec: ScanSpec, snapshot: Snapshot, baseline: Snapshot | None
    ) -> AsyncIterator[Progress | Reported]:
        """Yield progress, and at the end the report.

        Raises:
            ScansBusy: too many are under way.
            RuleInvalid, PackUnknown, LanguageUnknown, ScanInvalid: the field at fault is named.
            EngineFailed: the engine cannot be started.
            And what the snapshots' `read_many` raises.
        """
        with self._place():
            rules = await self._chooser.choose(spec.choice)
            found: Scanned | None = None
            async for step in self._scan(spec, snapshot, rules):
                if isinstance(step, Progress):
                    yield step
                else:
                    found = step
            before = None
            if baseline is not None:
                async for step in self._scan(spec, baseline, rules):
                    before = step if isinstance(step, Scanned) else before
            assert found is not None  # noqa: S101 - a scan ends with what it found
            by_digest = {rule.digest: rule for rule in rules}
            made = report(found, by_digest, severities=spec.severities, baseline=before)
            yield Reported(made, rules)

    async def _scan(
        self, spec: ScanSpec, snapshot: Snapshot, rules: tuple[Rule, ...]
    ) -> AsyncIterator[Progress | Scanned]:
        ignored = await _ignored_by(snapshot)
        selection = Selection(include=spec.include, exclude=spec.exclude, ignored=ignored)
        async for step in self._scanner.scan(snapshot, rules, selection):
            yield step

    @contextmanager
    def _place(self) -> Generator[None]:
        if self._free == 0:
            raise ScansBusy(
                "as many scans run as the service can bear; try again in a moment",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def _ignored_by(snapshot: Snapshot) -> str:
    """Return what the workspace's own ignore file says; it counts as empty when it is not text."""
    for file in snapshot:
        if file.path == IGNORE_FILE and file.digest:
            async for _, content in snapshot.read_many([file.digest]):
                return content.decode("utf-8", "replace")
    return ""
