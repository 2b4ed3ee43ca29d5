"""Lets the Semgrep engine read files with rules, and finds the file or the rule at fault.

One process reads a batch of files with a set of rules and ends. A batch that fails is cut into
parts until the file at fault stands alone; rules that find more in a file than the engine reports
are cut apart likewise, so that what one rule finds never depends on which others ran.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from toolmesh_semgrep.engine_output import (
    CRASHED,
    GIVEN_UP,
    SCAN_TIME_UP,
    TIMED_OUT,
    TOO_LONG,
    TOO_MANY_MATCHES,
    TOO_MUCH_OUTPUT,
    FileFault,
    TargetResult,
    failed_on,
    read_results,
    read_rule_problems,
)
from toolmesh_semgrep.engine_process import EngineLimits, EngineProcesses, Failure, Target
from toolmesh_semgrep.errors import EngineFailed
from toolmesh_semgrep.rule_text import write_out
from toolmesh_semgrep.rules import Problem, Rule, rules_document

_log = structlog.get_logger(__name__)

# Into how many parts a batch that failed is cut.
_PARTS = 8
# On how many files of a scan a rule may time out before it is given up: some files take long to
# parse, which counts as the time of the rule that came first.
_MOST_TIMEOUTS = 10
# How many rules may time out on a lone file before its process ends.
_LATE_RULES = 6
_FAULTS = {Failure.CRASH: CRASHED, Failure.TIME: TOO_LONG, Failure.OUTPUT: TOO_MUCH_OUTPUT}


@dataclass(slots=True)
class Patience:
    """How long a scan goes on: until a time of the event loop's clock, and with which rules."""

    until: float
    timeouts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, seconds: float) -> "Patience":
        """Return patience for so many seconds from now."""
        return cls(asyncio.get_running_loop().time() + seconds)

    @property
    def seconds(self) -> float:
        """How many seconds are left."""
        return self.until - asyncio.get_running_loop().time()

    def given_up(self, rule: Rule) -> bool:
        """Whether a rule timed out on so many files that it is not tried on another."""
        return self.timeouts[rule.id] >= _MOST_TIMEOUTS

    def note(self, results: Iterable[TargetResult]) -> None:
        """Remember which rules timed out; where several did, it is the file's fault."""
        for result in results:
            late = {fault.rule for fault in result.faults if fault.reason == TIMED_OUT}
            if len(late) == 1:
                self.timeouts.update(late)


class Engine:
    """The installed engine; a batch of files may take `batch_seconds` before it is cut up."""

    def __init__(
        self, processes: EngineProcesses, limits: EngineLimits, *, batch_seconds: float
    ) -> None:
        self._processes = processes
        self._batch_seconds = batch_seconds
        self._file_seconds = limits.rule_seconds * _LATE_RULES

    async def run(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience
    ) -> list[TargetResult]:
        """Return what the rules find in each of the targets.

        Raises:
            EngineFailed: the engine cannot be started.
        """
        return await self._run_within(rules, targets, patience, self._batch_seconds)

    async def check(self, rules: Sequence[Rule]) -> tuple[Problem, ...]:
        """Return what the engine finds wrong with rules, by the places where they were read.

        Raises:
            EngineFailed: the engine cannot be started or took too long.
        """
        written = await asyncio.to_thread(write_out, rules_document(rules))
        data = await self._processes.run(written.text.encode(), (), seconds=self._batch_seconds)
        problems = None
        if not isinstance(data, Failure):
            problems = await asyncio.to_thread(read_rule_problems, data, written)
        if problems is None:
            raise EngineFailed("the engine could not read the rules; send fewer or shorter ones")
        return problems

    async def _run_within(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult]:
        tried = [rule for rule in rules if not patience.given_up(rule)]
        given_up = tuple(FileFault(rule.id, GIVEN_UP) for rule in rules if patience.given_up(rule))
        found = await self._tried(tried, targets, patience, seconds) if tried else None
        results = found or [TargetResult() for _ in targets]
        return [TargetResult(each.matches, (*each.faults, *given_up)) for each in results]

    async def _tried(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult]:
        document = await asyncio.to_thread(json.dumps, rules_document(rules))
        left = patience.seconds
        if left <= 0:
            return [failed_on((), SCAN_TIME_UP) for _ in targets]
        data = await self._processes.run(
            document.encode(), targets, seconds=seconds, most_seconds=left
        )
        results = None
        if not isinstance(data, Failure):
            results = await asyncio.to_thread(read_results, data, len(targets))
        if results is not None:
            patience.note(results)
            return await self._without_crowds(rules, targets, results, patience)
        failure = data if isinstance(data, Failure) else Failure.CRASH
        if failure is Failure.TIME and patience.seconds <= 0:
            return [failed_on((), SCAN_TIME_UP) for _ in targets]
        if len(targets) > 1:
            return await self._in_parts(rules, targets, patience, seconds)
        if failure is Failure.OUTPUT and len(rules) > 1:
            return [await self._rules_apart(rules, targets[0], patience)]
        _log.warning("semgrep.file_failed", path=targets[0].path, reason=_FAULTS[failure])
        return [failed_on([rules[0].id] if len(rules) == 1 else (), _FAULTS[failure])]

    async def _in_parts(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult]:
        """Run parts of a batch one after the other: what one teaches of rules spares the next."""
        size = -(-len(targets) // _PARTS)
        seconds = max(seconds / 2, self._file_seconds)
        results: list[TargetResult] = []
        for start in range(0, len(targets), size):
            part = targets[start : start + size]
            results += await self._run_within(rules, part, patience, seconds)
        return results

    async def _without_crowds(
        self,
        rules: Sequence[Rule],
        targets: Sequence[Target],
        results: list[TargetResult],
        patience: Patience,
    ) -> list[TargetResult]:
        """Run the rules apart on targets in which they found more than the engine reports."""
        for number, result in enumerate(results):
            crowded = any(fault.reason == TOO_MANY_MATCHES for fault in result.faults)
            if crowded and len(rules) > 1:
                results[number] = await self._rules_apart(rules, targets[number], patience)
            elif crowded:
                results[number] = failed_on([rules[0].id], TOO_MANY_MATCHES)
        return results

    async def _rules_apart(
        self, rules: Sequence[Rule], target: Target, patience: Patience
    ) -> TargetResult:
        middle = len(rules) // 2
        matches: list[TargetResult] = []
        for half in (rules[:middle], rules[middle:]):
            matches += await self._run_within(half, [target], patience, self._file_seconds)
        return TargetResult(
            tuple(match for each in matches for match in each.matches),
            tuple(fault for each in matches for fault in each.faults),
        )
