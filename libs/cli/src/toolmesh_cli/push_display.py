"""Shows on a terminal how far a push is, once it takes longer than a moment."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolmesh_workspaces.push import PushProgress

# Most pushes are over by then, and loading what draws the bars takes time, too.
_QUIET_SECONDS = 0.5
_REFRESH_SECONDS = 0.1


class PushDisplay:
    """Takes note of the progress; whoever draws reads it from here."""

    def __init__(self) -> None:
        self.scanned = (0, 0)
        self.push: PushProgress | None = None

    def on_scan(self, done: int, all_files: int) -> None:
        """Counts scanned files; called in the scan's thread."""
        self.scanned = (done, all_files)

    def on_push(self, progress: "PushProgress") -> None:
        """Counts what was sent."""
        self.push = progress


@asynccontextmanager
async def push_display() -> AsyncGenerator[PushDisplay]:
    """A display that draws bars on stderr when that is a terminal."""
    display = PushDisplay()
    if not sys.stderr.isatty():
        yield display
        return
    task = asyncio.create_task(_draw(display))
    try:
        yield display
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _draw(display: PushDisplay) -> None:
    await asyncio.sleep(_QUIET_SECONDS)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        scanning = progress.add_task("scanning", total=None, done="")
        sending = progress.add_task("sending", total=None, done="", visible=False)
        while True:
            done, files = display.scanned
            text = f"{done:,} of {files:,} files" if files else ""
            progress.update(scanning, completed=done, total=files or None, done=text)
            if display.push is not None:
                now = display.push
                text = f"{now.sent_bytes / 1e6:,.1f} of {now.size_bytes / 1e6:,.1f} MB"
                progress.update(
                    sending,
                    completed=now.sent_bytes,
                    total=now.size_bytes or None,
                    done=text,
                    visible=True,
                )
            await asyncio.sleep(_REFRESH_SECONDS)
