"""Child processes that start, are waited for and end with the benchmark."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_SECONDS_BETWEEN_TRIES = 0.05
_LOG_TAIL_CHARS = 2000


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Child:
    """A running process; what it prints goes to `log`."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def log_tail(self) -> str:
        """The last of what it printed."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL_CHARS:]


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that these processes have used so far."""
    used = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(times.user + times.system for times in used)


@asynccontextmanager
async def running(
    name: str, *command: str | Path, folder: Path, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Child]:
    """Runs a command in `folder` until the block ends."""
    log = folder / f"{name}.log"
    # Appending, so that the file can be emptied while it is written to.
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Child(name, process, log)
    finally:
        await _stop(process)


async def until(
    ready: Callable[[], Awaitable[bool]], *, what: str, children: Sequence[Child]
) -> None:
    """Waits until `ready` says so.

    Raises:
        BenchmarkError: it took too long or a process ended.
    """
    end = asyncio.get_running_loop().time() + _START_SECONDS
    while not await ready():
        late = asyncio.get_running_loop().time() > end
        ended = [child for child in children if child.process.returncode is not None]
        if late or ended:
            tails = "\n".join(f"--- {child.name}\n{child.log_tail()}" for child in children)
            raise BenchmarkError(f"{what}: not ready\n{tails}")
        await asyncio.sleep(_SECONDS_BETWEEN_TRIES)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
