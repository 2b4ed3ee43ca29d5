"""Makes supervisord act at once; loaded into it as an RPC interface, its way to be extended.

supervisord looks after its processes once a second, or sooner when something can be read. A process
that ended is found in one look and started anew in the next: a second later. Here each change of a
process's state gives it something to read.

It starts a process anew at once, however often it ends. Here a pause that grows is put before that.
"""

import os
import signal
import time
from contextlib import suppress
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.states import ProcessStates

from toolmesh_cli.mesh.restart_pauses import RestartPauses


class Interface:
    """No RPC of its own."""


class _Wake(asyncore.file_dispatcher):
    """A pipe to itself, among the files that supervisord waits for."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        super().__init__(reader)

    def on_change(self, _: events.Event) -> None:
        """Ends the wait. A full pipe is as good as one more byte."""
        with suppress(BlockingIOError):
            os.write(self._writer, b".")

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.recv(4096)


def make_interface(_: object) -> Interface:
    """What the configuration names; called once, before the first process is started."""
    wake = _Wake()
    events.subscribe(events.SupervisorRunningEvent, wake.on_change)
    events.subscribe(events.ProcessStateEvent, wake.on_change)
    events.subscribe(events.ProcessStateExitedEvent, _end_group)
    events.subscribe(events.ProcessStateExitedEvent, _Pauser().on_exit)
    return Interface()


def _end_group(event: Any) -> None:
    """Ends what a process that crashed has left behind: its helpers are of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(event.process.pid, signal.SIGKILL)


class _Pauser:
    """Puts a process that ends too often into supervisord's own state of waiting."""

    def __init__(self) -> None:
        self._pauses = RestartPauses()

    def on_exit(self, event: Any) -> None:
        """Called while the process is marked as ended, before it would be started anew."""
        process, name = event.process, event.process.config.name
        now = time.time()
        pause = self._pauses.after_end(name, ran_seconds=now - process.laststart)
        if not pause:
            return
        process.change_state(ProcessStates.BACKOFF)
        # supervisord's own pauses are as many seconds as it counts ends, and it cuts longer ones to
        # that; it would give up after `startretries`, which are more than the longest pause.
        process.backoff = round(pause)
        process.delay = now + pause
        ends = self._pauses.ends_in_a_row(name)
        process.config.options.logger.warn(
            f"paused: {name} for {pause:.0f} seconds (ended {ends} times in a row)"
        )
