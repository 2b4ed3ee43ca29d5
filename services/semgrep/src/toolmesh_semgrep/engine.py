"""Runs the Semgrep engine: one process reads a batch of files with a set of rules and ends.

Files and rules are hostile input to a large native program, so a process gets limited memory and
time, has no network of its own to use, runs at a lower priority than what answers calls, and may
die: a batch that fails is cut in halves until the file at fault stands alone.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from toolmesh_semgrep.engine_languages import package_folder
from toolmesh_semgrep.errors import EngineFailed
from toolmesh_semgrep.rules import Problem, Rule, rules_document

_log = structlog.get_logger(__name__)

_NICENESS = 10
# How often a rule may time out on a file before the file's other rules are given up too.
_TIMEOUT_THRESHOLD = 3
_MOST_MATCHES_A_FILE = 1000
_TIMED_OUT = "timed out"
_CRASHED = "the engine ran out of time or memory, or crashed, on it"
_PASSING = frozenset({_TIMED_OUT, _CRASHED})


class Place(msgspec.Struct, frozen=True):
    """A place in a text: line and column from 1, offset in bytes."""

    line: int
    col: int
    offset: int


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


class _Output(msgspec.Struct, frozen=True):
    results: list[_Result] = []
    errors: list[_Error] = []


@dataclass(frozen=True, slots=True)
class Target:
    """A content to be read in a language; `path` is what rules with `paths:` look at."""

    path: str
    language: str
    content: bytes


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
    def lasting(self) -> bool:
        """Whether another run would say the same; the machine's load is not in the file."""
        return self.reason not in _PASSING


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What the rules found in a target, and what went wrong."""

    matches: tuple[Match, ...] = ()
    faults: tuple[FileFault, ...] = ()


class Engine:
    """The installed engine.

    Args:
        processes: how many may run at once.
        max_memory_bytes: how much memory each may allocate.
        rule_seconds: how long one rule may take on one file.
        batch_seconds: how long a batch may take before it is cut in halves.

    Raises:
        FileNotFoundError: it is not installed.
    """

    def __init__(
        self, *, processes: int, max_memory_bytes: int, rule_seconds: float, batch_seconds: float
    ) -> None:
        self._binary = package_folder() / "bin" / "semgrep-core"
        if not self._binary.exists():
            raise FileNotFoundError(f"the engine is not at {self._binary}")
        self._slots = asyncio.Semaphore(processes)
        self._max_memory_bytes = max_memory_bytes
        self._rule_seconds = rule_seconds
        self._batch_seconds = batch_seconds

    async def run(self, rules: Sequence[Rule], targets: Sequence[Target]) -> list[TargetResult]:
        """Return what the rules find in each of the targets.

        Raises:
            EngineFailed: the engine cannot be started.
        """
        return await self._run_within(rules, targets, self._batch_seconds)

    async def check(self, text: str) -> tuple[Problem, ...]:
        """Return what the engine finds wrong with a rule file, which is known to be good YAML.

        Raises:
            EngineFailed: the engine cannot be started or took too long.
        """
        output = await self._output(text.encode(), (), self._batch_seconds)
        if output is None:
            raise EngineFailed("the engine could not read the rules in time; send fewer")
        return tuple(map(_problem, output.errors))

    async def _run_within(
        self, rules: Sequence[Rule], targets: Sequence[Target], seconds: float
    ) -> list[TargetResult]:
        output = await self._output(rules_document(rules), targets, seconds)
        if output is not None:
            return _by_target(output, len(targets))
        if len(targets) == 1:
            _log.warning("semgrep.file_failed", path=targets[0].path)
            fault = FileFault("", _CRASHED)
            return [TargetResult(faults=(fault,))]
        middle = len(targets) // 2
        seconds = max(seconds / 2, self._rule_seconds * _TIMEOUT_THRESHOLD)
        halves = await asyncio.gather(
            self._run_within(rules, targets[:middle], seconds),
            self._run_within(rules, targets[middle:], seconds),
        )
        return [*halves[0], *halves[1]]

    async def _output(
        self, rules: bytes, targets: Sequence[Target], seconds: float
    ) -> _Output | None:
        """Return what the engine says, or None when it did not come to an end."""
        async with self._slots:
            folder = Path(await asyncio.to_thread(_lay_out, rules, targets))
            try:
                data = await self._finished(folder, seconds)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        try:
            return await asyncio.to_thread(_decode, data)
        except msgspec.DecodeError:
            return None

    async def _finished(self, folder: Path, seconds: float) -> bytes:
        megabytes = self._max_memory_bytes // 2**20
        try:
            process = await asyncio.create_subprocess_exec(
                self._binary, "-json_nodots", "-fast", "-j", "1",
                "-rules", "rules.yaml", "-targets", "targets.json",
                "-timeout", str(self._rule_seconds),
                "-timeout_threshold", str(_TIMEOUT_THRESHOLD),
                # Under the hard limit, so that it ends the rule and not the process.
                "-max_memory", str(megabytes * 9 // 10),
                "-max_match_per_file", str(_MOST_MATCHES_A_FILE),
                cwd=folder,
                env={"HOME": str(folder), "TMPDIR": str(folder), "SEMGREP_SEND_METRICS": "off"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EngineFailed(
                "the engine cannot be started; the service's log says why"
            ) from error
        try:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                limit = self._max_memory_bytes
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
            async with asyncio.timeout(seconds):
                data, _ = await process.communicate()
        except TimeoutError:
            return b""
        else:
            return data
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _decode(data: bytes) -> _Output:
    return msgspec.json.decode(data, type=_Output)


def _lay_out(rules: bytes, targets: Sequence[Target]) -> str:
    """Write what a process reads into a new folder, and return the folder."""
    folder = Path(tempfile.mkdtemp(prefix="toolmesh-semgrep-"))
    # YAML can be read as such, JSON as YAML.
    folder.joinpath("rules.yaml").write_bytes(rules)
    listed: list[Any] = []
    for number, target in enumerate(targets):
        name = f"{number}{Path(target.path).suffix}"
        folder.joinpath(name).write_bytes(target.content)
        path = {"fpath": name, "ppath": f"/{target.path}"}
        code = {"path": path, "analyzer": target.language, "products": ["sast"]}
        listed.append(["CodeTarget", code])
    folder.joinpath("targets.json").write_bytes(msgspec.json.encode(["Targets", listed]))
    return str(folder)


def _by_target(output: _Output, count: int) -> list[TargetResult]:
    matches: list[list[Match]] = [[] for _ in range(count)]
    faults: list[list[FileFault]] = [[] for _ in range(count)]
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
        if error.location is not None and (number := _number(error.location.path)) >= 0:
            fault = FileFault(error.rule_id, _reason(error))
            if fault not in faults[number]:
                faults[number].append(fault)
    return [
        TargetResult(matches=tuple(found), faults=tuple(wrong))
        for found, wrong in zip(matches, faults, strict=True)
    ]


def _number(path: str) -> int:
    digits = Path(path).name.partition(".")[0]
    return int(digits) if digits.isdigit() else -1


_REASONS = {
    "Timeout": _TIMED_OUT,
    "Fixpoint timeout": _TIMED_OUT,
    "TimeoutDuringInterfile": _TIMED_OUT,
    "Out of memory": "out of memory",
    "Stack overflow": "nested too deep",
    "Too many matches": "too many matches",
    "Syntax error": "syntax error",
    "Lexical error": "syntax error",
    "Other syntax error": "syntax error",
    "PartialParsing": "syntax error in a part of it",
    "AST builder error": "syntax that the engine does not know",
}


def _reason(error: _Error) -> str:
    kind = error.error_type
    name = str(kind[0] if isinstance(kind, list) and kind else kind)
    return _REASONS.get(name, name.lower() or "failed")


def _problem(error: _Error) -> Problem:
    message = error.message.strip().partition("\n")[0]
    message = message.replace("Stdlib.Parsing.Parse_error", "it cannot be parsed")
    start = error.location.start if error.location else Place(0, 0, 0)
    return Problem(error.rule_id, message, start.line, start.col)
