"""Waits until processes answer their health checks."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.health import HealthChecks, open_checks
from toolmesh_cli.mesh.log_files import last_lines, log_names
from toolmesh_cli.mesh.restarts import read_histories
from toolmesh_cli.mesh.supervisor_client import Supervisor

_SECONDS_BETWEEN_LOOKS = 0.1
_LOG_LINES_SHOWN = 12


class ProgramFailed(CliError):
    """A process ended, or did not answer in time; the last lines of its log are the details."""


class Watch:
    """Waits for processes to answer, and notices those that end instead.

    Args:
        url: where the gateway answers.
        begun: when the start began, by `time.monotonic`.
        timeout_seconds: how long after that all must answer.
        on_ready: told the name of each process that is ready and how many seconds it took.
        exits_before: how often each process had ended when the watch began.
    """

    def __init__(
        self,
        folder: MeshFolder,
        *,
        url: str,
        begun: float,
        timeout_seconds: float,
        on_ready: Callable[[str, float], None],
        exits_before: Mapping[str, int],
    ) -> None:
        self._folder = folder
        self._supervisor = Supervisor(folder)
        self._url = url
        self._begun = begun
        self._timeout_seconds = timeout_seconds
        self._on_ready = on_ready
        self._exits_before = exits_before
        self._waiting: set[str] = set()

    async def until_ready(self, names: Sequence[str], *, only: Sequence[str] | None = None) -> None:
        """Waits for all; `only` limits which of them `on_ready` is told.

        Raises:
            ProgramFailed: one ended or did not answer in time.
        """
        self._waiting = set(names)
        left = self._timeout_seconds - (time.monotonic() - self._begun)
        async with open_checks(self._folder, self._url) as checks:
            told = names if only is None else only
            tasks = [
                asyncio.create_task(self._until_one_ready(checks, name, tell=name in told))
                for name in names
            ]
            tasks.append(asyncio.create_task(self._until_one_ended()))
            try:
                async with asyncio.timeout(left):
                    await self._all_or_first_failure(tasks)
            except TimeoutError:
                late = sorted(self._waiting)
                raise self._failure(
                    late[0], f"{', '.join(late)} did not answer in {left:.0f} s"
                ) from None
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _all_or_first_failure(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        pending: set[asyncio.Task[None]] = set(tasks)
        # The last task is the watcher, which never ends well.
        while pending != {tasks[-1]}:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _until_one_ready(self, checks: HealthChecks, name: str, *, tell: bool) -> None:
        await checks.until_healthy(name)
        self._waiting.discard(name)
        if tell:
            self._on_ready(name, time.monotonic() - self._begun)

    async def _until_one_ended(self) -> None:
        while True:
            for name, exits in exits_so_far(self._folder).items():
                if exits > self._exits_before.get(name, 0):
                    how = read_histories(self._folder.supervisor_log)[name].last_exit
                    raise self._failure(name, f"{name} did not start: {how}")
            with suppress(OSError):
                for process in await self._supervisor.processes():
                    if process.state in ("backoff", "fatal") and process.name in self._waiting:
                        text = f"{process.name} did not start: {process.spawn_error}"
                        raise self._failure(process.name, text)
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    def _failure(self, name: str, message: str) -> ProgramFailed:
        lines: list[str] = []
        if name in log_names(self._folder):
            shown = last_lines(self._folder, [name], _LOG_LINES_SHOWN)
            lines = [f"{line.process} | {line.readable()}" for line in shown]
        return ProgramFailed(
            message,
            exit_code=ExitCode.UNAVAILABLE,
            details=lines,
            hint=f"the whole log is in {self._folder.log_of(name)}",
        )


def exits_so_far(folder: MeshFolder) -> dict[str, int]:
    """How often each process has ended without being asked to, since supervisord started."""
    histories = read_histories(folder.supervisor_log)
    return {name: history.exits for name, history in histories.items()}
