"""Makes supervisord act at once; loaded into it as an RPC interface, its way to be extended.

supervisord looks after its processes once a second, or sooner when something can be read. A process
that ended is found in one look and started anew in the next: a second later. Here each change of a
process's state gives it something to read.
"""

import os
import signal
from contextlib import suppress
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore


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
    return Interface()


def _end_group(event: Any) -> None:
    """Ends what a process that crashed has left behind: its helpers are of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(event.process.pid, signal.SIGKILL)
