"""What became of every process, read from supervisord's own log."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) [A-Z]+ (.*)")
_STARTED = re.compile(r"supervisord started with pid \d+")
_SPAWNED = re.compile(r"spawned: '(\S+)' with pid \d+")
_PAUSED = re.compile(r"paused: (\S+) for (\d+) seconds")
_EXITED = re.compile(r"exited: (\S+) \((.*?)(?:; (?:not )?expected)?\)")


@dataclass(frozen=True)
class History:
    """What became of a process since supervisord started.

    Attributes:
        starts: how often it was started.
        exits: how often it ended without being asked to.
        last_exit: how it ended the last time, for example `terminated by SIGKILL`; empty: never.
        last_exit_time: when, with the local time zone; None: never.
        paused_until: when it is started again, with the local time zone; None: at once.
    """

    starts: int = 0
    exits: int = 0
    last_exit: str = ""
    last_exit_time: datetime | None = None
    paused_until: datetime | None = None

    @property
    def restarts(self) -> int:
        """How often it was started anew."""
        return max(0, self.starts - 1)


def read_histories(log: Path) -> dict[str, History]:
    """The history of every process, by name; a log that was rotated is read on into its backup."""
    histories: dict[str, History] = {}
    for line in _lines(log):
        parsed = _LINE.match(line)
        if parsed is None:
            continue
        text = parsed[3]
        time = datetime.fromisoformat(f"{parsed[1]}.{parsed[2]}").astimezone()
        if _STARTED.match(text):
            histories.clear()
        elif spawned := _SPAWNED.match(text):
            known = histories.get(spawned[1], History())
            histories[spawned[1]] = replace(known, starts=known.starts + 1, paused_until=None)
        elif paused := _PAUSED.match(text):
            known = histories.get(paused[1], History())
            until = time + timedelta(seconds=int(paused[2]))
            histories[paused[1]] = replace(known, paused_until=until)
        elif exited := _EXITED.match(text):
            known = histories.get(exited[1], History())
            histories[exited[1]] = replace(
                known, exits=known.exits + 1, last_exit=exited[2], last_exit_time=time
            )
    return histories


def _lines(log: Path) -> Iterator[str]:
    for file in (log.with_name(f"{log.name}.1"), log):
        try:
            yield from file.read_text(errors="replace").splitlines()
        except OSError:
            continue
