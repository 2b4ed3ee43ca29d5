"""The command `semgrep scan`, as its users run it, in an environment of its own."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from evals.environments import PeerEnvironment
from evals.processes import BenchmarkError

ENVIRONMENT = PeerEnvironment("semgrep", Path(__file__).parent / "cli.lock")
# Nothing of these is in our way: without them it waits for the network, or leaves files out.
_FLAGS = (
    "--metrics=off", "--disable-version-check", "--json", "--quiet",
    "--no-git-ignore", "--x-ignore-semgrepignore-files", "--no-rewrite-rule-ids",
)  # fmt: skip


class Place(msgspec.Struct, frozen=True):
    """A place, as an offset in bytes."""

    offset: int


class _Extra(msgspec.Struct, frozen=True):
    is_ignored: bool = False


class _Result(msgspec.Struct, frozen=True):
    check_id: str
    path: str
    start: Place
    end: Place
    extra: _Extra


class _Error(msgspec.Struct, frozen=True):
    level: str = ""
    message: str = ""
    path: str = ""
    rule_id: str | None = None


class _Output(msgspec.Struct, frozen=True):
    results: list[_Result]
    errors: list[_Error]


@dataclass(frozen=True)
class CliScan:
    """What the command found: (rule, path, start, end), the places as offsets in bytes."""

    seconds: float
    findings: frozenset[tuple[str, str, int, int]]
    problem_paths: frozenset[str]


async def scan(tree: Path, rules: Path) -> CliScan:
    """Scan all files of a tree with the rules of a folder or file.

    Raises:
        BenchmarkError: the command failed.
    """
    command = ENVIRONMENT.folder / "bin" / "semgrep"
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        command, "scan", *_FLAGS, "--config", rules, ".",
        cwd=tree,
        env={**os.environ, "PATH": path, "SEMGREP_SEND_METRICS": "off"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, said = await process.communicate()
    seconds = time.perf_counter() - begun
    try:
        output = msgspec.json.decode(written, type=_Output)
    except msgspec.DecodeError as error:
        raise BenchmarkError(
            f"semgrep failed: {said.decode('utf-8', 'replace')[-2000:]}"
        ) from error
    findings = frozenset(
        (each.check_id, each.path.removeprefix("./"), each.start.offset, each.end.offset)
        for each in output.results
        if not each.extra.is_ignored
    )
    problems = frozenset(each.path.removeprefix("./") for each in output.errors if each.path)
    return CliScan(seconds, findings, problems)
