"""Lets the Semgrep engine read files with rules, and finds the file or the rule at fault.

One process reads a batch of files with a set of rules and ends. A batch that fails is cut into
parts until the file at fault stands alone; rules with which it fails on a lone file, or finds more
in it than it reports, are cut apart likewise, so that what one rule finds never depends on which
others ran.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from toolmesh_semgrep.engine_output import (
    CRASHED,
    GIVEN_UP,
    OUT_OF_MEMORY,
    SCAN_TIME_UP,
    TIMED_OUT,
    TOO_DEEP,
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
from toolmesh_semgrep.rules import Problem, Rule, pointed_at_key, rules_document

_log = structlog.get_logger(__name__)

# Into how many parts a batch that failed is cut.
_PARTS = 8
# On how many files of a scan a rule may time out before it is given up: some files take long to
# parse, which counts as the time of the rule that came first.
_MOST_TIMEOUTS = 10
# How many rules may time out on a lone file before its process ends.
_LATE_RULES = 4
# How many processes may fail on a lone file while its rules are cut apart, and as how many one
# counts. Rules that say too much count as none: that is kept, so it must be their own fault.
_ATTEMPTS = 8
_COSTS = {TOO_LONG: 2, SCAN_TIME_UP: _ATTEMPTS, TOO_MANY_MATCHES: 0, TOO_MUCH_OUTPUT: 0}
_FAULTS = {
    Failure.CRASH: CRASHED,
    Failure.TIME: TOO_LONG,
    Failure.OUTPUT: TOO_MUCH_OUTPUT,
    Failure.LATE: SCAN_TIME_UP,
}
# With these the engine drops what all rules found in a file, and names one of them, or none.
_DROPPING = frozenset({TOO_MANY_MATCHES, OUT_OF_MEMORY, TOO_DEEP})
# Where every rule fails for one of these, it is the file's fault.
_OF_FILES = frozenset({CRASHED, TOO_LONG, SCAN_TIME_UP, OUT_OF_MEMORY, TOO_DEEP})


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
        return await self._tried(rules, targets, patience, self._batch_seconds)

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
        by_id = {rule.id: rule for rule in rules}
        return tuple(pointed_at_key(problem, by_id) for problem in problems)

    async def _tried(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult]:
        answer = await self._answer(rules, targets, patience, seconds)
        if not isinstance(answer, Failure):
            for number, result in enumerate(answer):
                if dropped := _dropped(result):
                    answer[number] = await self._without(dropped, rules, targets[number], patience)
            return answer
        if answer is not Failure.LATE and len(targets) > 1:
            return await self._in_parts(rules, targets, patience, seconds)
        if answer is not Failure.LATE:
            _log.warning("semgrep.file_failed", path=targets[0].path, reason=_FAULTS[answer])
            return [await self._without(_FAULTS[answer], rules, targets[0], patience)]
        return [failed_on((), SCAN_TIME_UP) for _ in targets]

    async def _answer(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult] | Failure:
        """Return what one process finds; rules that were given up are named and left out."""
        tried = [rule for rule in rules if not patience.given_up(rule)]
        given_up = tuple(FileFault(rule.id, GIVEN_UP) for rule in rules if patience.given_up(rule))
        if not tried:
            return [TargetResult(faults=given_up) for _ in targets]
        if patience.seconds <= 0:
            return Failure.LATE
        document = await asyncio.to_thread(json.dumps, rules_document(tried))
        data = await self._processes.run(
            document.encode(), targets, seconds=seconds, until=patience.until
        )
        if isinstance(data, Failure):
            return data
        results = await asyncio.to_thread(read_results, data, len(targets))
        if results is None:
            return Failure.CRASH
        patience.note(results)
        return [TargetResult(each.matches, (*each.faults, *given_up)) for each in results]

    async def _in_parts(
        self, rules: Sequence[Rule], targets: Sequence[Target], patience: Patience, seconds: float
    ) -> list[TargetResult]:
        """Run parts of a batch one after the other: what one teaches of rules spares the next."""
        size = -(-len(targets) // _PARTS)
        seconds = max(seconds / 2, self._file_seconds)
        results: list[TargetResult] = []
        for start in range(0, len(targets), size):
            part = targets[start : start + size]
            results += await self._tried(rules, part, patience, seconds)
        return results

    async def _without(
        self, reason: str, rules: Sequence[Rule], target: Target, patience: Patience
    ) -> TargetResult:
        """Return what rules find that all together failed on a target, without those at fault.

        Halves run, then halves of those that fail: large ones first, so that most rules are sure
        before the attempts are used up.
        """
        parts = deque(_halves(rules))
        results = [] if parts else [failed_on([rule.id for rule in rules], reason)]
        attempts = _ATTEMPTS
        while parts:
            part = parts.popleft()
            if attempts > 0:
                answer = await self._answer(part, [target], patience, self._file_seconds)
                reason = _FAULTS[answer] if isinstance(answer, Failure) else _dropped(answer[0])
                if not isinstance(answer, Failure) and not reason:
                    results += answer
                    continue
                attempts -= _COSTS.get(reason, 1)
            halves = _halves(part) if attempts > 0 else ()
            parts.extend(halves)
            if not halves:
                results.append(failed_on([rule.id for rule in part], reason))
        return _together(results, rules)


def _halves(rules: Sequence[Rule]) -> tuple[Sequence[Rule], ...]:
    """Return both halves; of a lone rule, none."""
    middle = len(rules) // 2
    return (rules[:middle], rules[middle:]) if middle else ()


def _dropped(result: TargetResult) -> str:
    """Return why the engine dropped what all rules found in a target; empty: it did not."""
    return next((fault.reason for fault in result.faults if fault.reason in _DROPPING), "")


def _together(results: Sequence[TargetResult], rules: Sequence[Rule]) -> TargetResult:
    """Return what parts of the rules found in one target."""
    matches = tuple(match for each in results for match in each.matches)
    faults = tuple(fault for each in results for fault in each.faults)
    reasons = {fault.reason for fault in faults}
    if len(faults) == len(rules) > 1 and len(reasons) == 1 and reasons <= _OF_FILES:
        return failed_on((), faults[0].reason)
    return TargetResult(matches, faults)
