"""Reads what the engine writes: matches, and what went wrong with which file or rule."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec

from toolmesh_semgrep.rule_text import WrittenOut
from toolmesh_semgrep.rules import Problem

TIMED_OUT = "timed out"
TOO_MANY_MATCHES = "too many matches"
OUT_OF_MEMORY = "out of memory"
TOO_DEEP = "nested too deep"
CRASHED = "the engine ran out of memory, or crashed, on it"
TOO_LONG = "the engine took too long on it"
TOO_MUCH_OUTPUT = "what the rules find in it is too long"
RULE_FAILED = "the engine cannot use the rule"
GIVEN_UP = "given up, for it timed out on other files"
FIX_TOO_LONG = "found, but a fix is left out, for it is too long"
SCAN_TIME_UP = "not scanned, for the time of a scan was up; scan again to go on"

# These depend on how busy the machine is and on settings, so they are believed for a while alone.
_PASSING = frozenset({TIMED_OUT, OUT_OF_MEMORY, CRASHED, TOO_LONG, RULE_FAILED, GIVEN_UP})


class Place(msgspec.Struct, frozen=True):
    """A place in a text: line and column from 1, the column and the offset in bytes."""

    line: int
    col: int
    offset: int


@dataclass(frozen=True, slots=True)
class Match:
    """Where a rule, named by its id, matches; `suppressed` by a comment in the code."""

    rule: str
    start: Place
    end: Place
    message: str
    fix: str | None
    suppressed: bool


@dataclass(frozen=True, slots=True)
class FileFault:
    """What went wrong with a file; with one rule on it, or, with no rule, as a whole."""

    rule: str
    reason: str

    @property
    def passing(self) -> bool:
        """Whether another run may say something else, so that it is believed for a while alone."""
        return self.reason in _PASSING


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What the rules found in a target, and what went wrong."""

    matches: tuple[Match, ...] = ()
    faults: tuple[FileFault, ...] = ()


class _Extra(msgspec.Struct, frozen=True):
    message: str = ""
    is_ignored: bool = False
    fix: str | None = None


class _Result(msgspec.Struct, frozen=True):
    check_id: str
    path: str
    start: Place
    end: Place
    extra: _Extra


class _Location(msgspec.Struct, frozen=True):
    path: str
    start: Place


class _Error(msgspec.Struct, frozen=True):
    # Some kinds are a bare name, some a list of the name and details.
    error_type: Any = ""
    message: str = ""
    location: _Location | None = None
    rule_id: str = ""

    @property
    def kind(self) -> str:
        kind = self.error_type
        return str(kind[0] if isinstance(kind, list) and kind else kind)


class _Output(msgspec.Struct, frozen=True):
    results: list[_Result] = []
    errors: list[_Error] = []


_REASONS = {
    "Timeout": TIMED_OUT,
    "Fixpoint timeout": TIMED_OUT,
    "TimeoutDuringInterfile": TIMED_OUT,
    "Out of memory": OUT_OF_MEMORY,
    "Stack overflow": TOO_DEEP,
    "Too many matches": TOO_MANY_MATCHES,
    "Syntax error": "syntax error",
    "Lexical error": "syntax error",
    "Other syntax error": "syntax error",
    "PartialParsing": "syntax error in a part of it",
    "AST builder error": "syntax that the engine does not know",
}
_FATAL = "Fatal error"
_FATAL_PLACE = re.compile(r"rules\.json:(\d+):(\d+): ")


def read_results(data: bytes, count: int) -> list[TargetResult] | None:
    """Return what was found in each of `count` targets, or None when the engine failed."""
    output = _decode(data)
    if output is None or any(error.kind == _FATAL for error in output.errors):
        return None
    matches: list[list[Match]] = [[] for _ in range(count)]
    faults: list[dict[FileFault, None]] = [{} for _ in range(count)]
    for result in output.results:
        extra = result.extra
        match = Match(
            rule=result.check_id,
            start=result.start,
            end=result.end,
            message=extra.message,
            fix=extra.fix,
            suppressed=extra.is_ignored,
        )
        matches[_number(result.path)].append(match)
    for error in output.errors:
        number = _number(error.location.path) if error.location else -1
        if number >= 0:
            faults[number][FileFault(error.rule_id, _reason(error))] = None
        elif error.rule_id:
            # A rule that cannot be used finds nothing, which is no finding.
            for each in faults:
                each[FileFault(error.rule_id, RULE_FAILED)] = None
    return [
        TargetResult(matches=tuple(found), faults=tuple(wrong))
        for found, wrong in zip(matches, faults, strict=True)
    ]


def read_rule_problems(data: bytes, rules: WrittenOut) -> tuple[Problem, ...] | None:
    """Return what is wrong with the rules that were read, or None when there is no answer."""
    output = _decode(data)
    if output is None:
        return None
    return tuple(_problem(error, rules) for error in output.errors)


def may_pass(reason: str) -> bool:
    """Tell whether another run may find more where this went wrong."""
    return reason in _PASSING or reason == SCAN_TIME_UP


def failed_on(rules: Collection[str], reason: str) -> TargetResult:
    """Return the result of a target that these rules could not look at; none named: all."""
    return TargetResult(faults=tuple(FileFault(rule, reason) for rule in rules or ("",)))


def _decode(data: bytes) -> _Output | None:
    try:
        return msgspec.json.decode(data, type=_Output)
    except UnicodeDecodeError:
        # The engine writes the bytes of files that are not UTF-8 as they are.
        return _decode(data.decode("utf-8", "replace").encode())
    except msgspec.DecodeError:
        return None


def _number(path: str) -> int:
    digits = PurePosixPath(path).name.partition(".")[0]
    return int(digits) if digits.isdigit() else -1


def _reason(error: _Error) -> str:
    return _REASONS.get(error.kind, error.kind.lower() or "failed")


def _problem(error: _Error, rules: WrittenOut) -> Problem:
    message = error.message.strip().partition("\n")[0]
    start = error.location.start if error.location else Place(0, 0, 0)
    line, column = start.line, start.col
    if error.kind == _FATAL and (found := _FATAL_PLACE.search(message)):
        message, line, column = message[found.end() :], int(found[1]), int(found[2]) + 1
    message = message.replace("Stdlib.Parsing.Parse_error", "it cannot be parsed")
    message = message.removeprefix("exn: ")
    return Problem(error.rule_id, message, *rules.origin(line, column))
