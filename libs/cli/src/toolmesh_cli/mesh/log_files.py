"""Reads the log files of a mesh: the last lines, then what is written to them."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.log_lines import LogLine, parse_lines

_SECONDS_BETWEEN_LOOKS = 0.2
_BLOCK_BYTES = 64 * 1024


def log_names(folder: MeshFolder) -> tuple[str, ...]:
    """The processes that have a log, supervisord included."""
    return tuple(sorted(file.stem for file in folder.logs.glob("*.log")))


def last_lines(folder: MeshFolder, names: Sequence[str], count: int) -> list[LogLine]:
    """The last lines of several logs, by time.

    Raises:
        CliError: there is no log of such a name.
    """
    known = log_names(folder)
    for name in names:
        if name not in known:
            raise CliError(
                f"no log of {name!r}",
                exit_code=ExitCode.NOT_FOUND,
                hint=f"there are logs of {', '.join(known)}" if known else "start the mesh first",
            )
    lines = [line for name in names for line in _last_of(name, folder.log_of(name), count)]
    # A process does not always write in order: a call's line states when the call began.
    merged = sorted(lines, key=lambda line: line.time)
    return merged[-count:] if count else []


async def new_lines(folder: MeshFolder, names: Sequence[str]) -> AsyncGenerator[LogLine]:
    """Every line that is written from now on, also after a log was rotated; never ends."""
    followers = {name: _Follower(folder.log_of(name)) for name in names}
    try:
        while True:
            for name, follower in followers.items():
                for line in parse_lines(name, follower.read(), untimed=datetime.now(tz=UTC)):
                    yield line
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
    finally:
        for follower in followers.values():
            follower.close()


class _Follower:
    """Reads whole lines from where the file ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self._rest = b""

    def read(self) -> list[str]:
        content = self._file.read()
        if self._is_replaced():
            content += self._file.read()
            self._file.close()
            self._file = self._path.open("rb")
            content += self._file.read()
        *lines, self._rest = (self._rest + content).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _is_replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False  # being rotated: it is there at the next look
        return now.st_ino != os.fstat(self._file.fileno()).st_ino


def _last_of(name: str, path: Path, count: int) -> Iterator[LogLine]:
    written = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    return parse_lines(name, _tail(path, count), untimed=written)


def _tail(path: Path, count: int) -> list[str]:
    """The last lines of a file, read backwards in blocks."""
    with path.open("rb") as file:
        position = file.seek(0, 2)
        content = b""
        while position and content.count(b"\n") <= count:
            step = min(_BLOCK_BYTES, position)
            position -= step
            file.seek(position)
            content = file.read(step) + content
    lines = content.decode(errors="replace").splitlines()
    return lines[-count:] if count else []
