"""How much memory a process and its helpers take."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Memory:
    """Memory in use.

    Attributes:
        size_bytes: the sum over a process and all its descendants.
        proportional: True for the proportional set size (PSS): a page that several processes share
            counts once in all. False for the resident set size (RSS): it counts in each.
    """

    size_bytes: int
    proportional: bool


def memory_of(pid: int, *, alone: bool = False) -> Memory | None:
    """The memory of a process and, unless `alone`, all its descendants; None when it is gone."""
    try:
        process = psutil.Process(pid)
        family = [process] if alone else [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    shares = [_proportional(member) for member in family]
    if None not in shares:
        return Memory(sum(share or 0 for share in shares), proportional=True)
    return Memory(sum(_resident(member) for member in family), proportional=False)


def total(memories: Sequence[Memory]) -> Memory:
    """All of them together."""
    return Memory(
        sum(memory.size_bytes for memory in memories),
        proportional=all(memory.proportional for memory in memories),
    )


def _proportional(process: psutil.Process) -> int | None:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except ProcessLookupError:
        return 0  # it ended meanwhile
    except OSError:
        return None if process.is_running() else 0
    return None


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
