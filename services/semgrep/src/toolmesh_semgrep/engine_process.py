"""One process of the engine: a folder with what it reads, limits, and its output.

Files and rules are hostile input to a large native program, so a process gets limited memory and
time, has a session of its own, runs at a lower priority than what answers calls, and may die.
"""

import asyncio
import contextlib
import math
import os
import posixpath
import resource
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from toolmesh_semgrep.engine_languages import package_folder
from toolmesh_semgrep.errors import EngineFailed

_NICENESS = 10
# How much longer than it may use the processor a process may take.
_WAITING = 6
_READ_BYTES = 2**16
# Not YAML: the engine would take the escapes of JSON for those of YAML.
_RULES = "rules.json"
# A batch says some KB; a rule may quote what it matches in its message, as often as it likes.
_MOST_OUTPUT_BYTES = 2**24
# No language has a longer one, and a file system takes no name of over 255 bytes.
_MOST_SUFFIX_CHARACTERS = 32


class Failure(Enum):
    """Why a process gave no answer."""

    TIME = "time"
    OUTPUT = "output"
    CRASH = "crash"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Target:
    """A content to be read in a language; `path` is what rules with `paths:` look at."""

    path: str
    language: str
    content: bytes


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What a process may use, and how patient it is with rules.

    Attributes:
        memory_bytes: how much memory it may allocate.
        rule_seconds: how long one rule may take on one file.
        matches: how many places all rules together may find in one file; the time that it takes
            grows with the square of it.
    """

    memory_bytes: int
    rule_seconds: float
    matches: int = 2_000


class EngineProcesses:
    """Runs processes of the installed engine, so many at once and no more.

    Args:
        folder: where each gets its own folder; what an earlier service left there is removed.

    Raises:
        FileNotFoundError: the engine is not installed.
        OSError: the folder cannot be made.
    """

    def __init__(self, limits: EngineLimits, *, folder: Path, most_at_once: int) -> None:
        self._binary = package_folder() / "bin" / "semgrep-core"
        if not self._binary.exists():
            raise FileNotFoundError(f"the engine is not at {self._binary}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder.absolute()
        self._limits = limits
        self._slots = asyncio.Semaphore(most_at_once)

    async def run(
        self,
        rules: bytes,
        targets: Sequence[Target],
        *,
        seconds: float,
        until: float | None = None,
    ) -> bytes | Failure:
        """Return what the engine writes about the targets, or why it wrote nothing.

        The rules are a document of rules as JSON.

        It may use the processor for `seconds`. At the time `until` of the event loop's clock, it
        ends as late, be it that it has not even begun, for others were before it.

        Raises:
            EngineFailed: it cannot be started.
        """
        try:
            async with asyncio.timeout_at(until), self._slots:
                return await self._run(rules, targets, seconds)
        except TimeoutError:
            return Failure.LATE

    async def _run(
        self, rules: bytes, targets: Sequence[Target], seconds: float
    ) -> bytes | Failure:
        try:
            async with _laid_out(self._folder, rules, targets) as folder:
                return await self._output(folder, seconds)
        except OSError as error:
            raise EngineFailed(
                "the engine cannot be started, or there is no room for what it reads",
                retry_after_seconds=1,
            ) from error

    async def _output(self, folder: Path, seconds: float) -> bytes | Failure:
        process = await asyncio.create_subprocess_exec(
            self._binary, *self._flags(),
            cwd=folder,
            env={"HOME": str(folder), "TMPDIR": str(folder), "SEMGREP_SEND_METRICS": "off"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._limit(process.pid, seconds)
            async with asyncio.timeout(seconds * _WAITING):
                return await _read(process)
        except TimeoutError:
            return Failure.TIME
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                # Not `wait`: before Python 3.11.5 it waits for what nobody reads any more, too.
                await process.communicate()

    def _flags(self) -> list[str]:
        limits = self._limits
        # Under the hard limit, so that it ends the rule and not the process.
        megabytes = limits.memory_bytes // 2**20 * 9 // 10
        return [
            "-json_nodots", "-fast", "-j", "1",
            "-rules", _RULES, "-targets", "targets.json",
            "-timeout", str(limits.rule_seconds),
            # Never: it would drop what all rules found in the file, and name some of them alone.
            "-timeout_threshold", "0",
            "-max_memory", str(megabytes),
            "-max_match_per_file", str(limits.matches),
        ]  # fmt: skip

    def _limit(self, pid: int, seconds: float) -> None:
        memory = self._limits.memory_bytes
        # Of the processor and not of the clock: on a busy machine a batch waits for others. Should
        # this service die, its processes end by themselves.
        processor = math.ceil(seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
            resource.prlimit(pid, resource.RLIMIT_CPU, (processor, processor + 1))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)


async def _read(process: asyncio.subprocess.Process) -> bytes | Failure:
    if process.stdout is None:
        return Failure.CRASH
    data = bytearray()
    while chunk := await process.stdout.read(_READ_BYTES):
        data += chunk
        if len(data) > _MOST_OUTPUT_BYTES:
            return Failure.OUTPUT
    if await process.wait() in (-signal.SIGXCPU, -signal.SIGKILL):
        return Failure.TIME
    return bytes(data) or Failure.CRASH


@asynccontextmanager
async def _laid_out(parent: Path, rules: bytes, targets: Sequence[Target]) -> AsyncGenerator[Path]:
    """Give a folder with what a process reads, and remove it."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    writing = asyncio.ensure_future(asyncio.to_thread(_lay_out, folder, rules, targets))
    try:
        await asyncio.shield(writing)
        yield folder
    finally:
        await asyncio.shield(_remove(folder, writing))


async def _remove(folder: Path, writing: asyncio.Future[None]) -> None:
    # A thread cannot be cancelled: it would go on to write into the folder.
    await asyncio.wait([writing])
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _lay_out(folder: Path, rules: bytes, targets: Sequence[Target]) -> None:
    folder.joinpath(_RULES).write_bytes(rules)
    listed: list[Any] = []
    for number, target in enumerate(targets):
        suffix = posixpath.splitext(target.path)[1]
        name = f"{number}{suffix[:_MOST_SUFFIX_CHARACTERS]}"
        folder.joinpath(name).write_bytes(target.content)
        path = {"fpath": name, "ppath": f"/{target.path}"}
        code = {"path": path, "analyzer": target.language, "products": ["sast"]}
        listed.append(["CodeTarget", code])
    folder.joinpath("targets.json").write_bytes(msgspec.json.encode(["Targets", listed]))
