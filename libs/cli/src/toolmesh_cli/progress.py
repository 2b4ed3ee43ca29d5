"""Shows how far a streaming method has got.

Any message of a stream may have a field `progress` whose message has `done_count` and
`total_count`, 0 while that is not known, and may have a `stage` in words. Nothing else is needed.
"""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import click
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from toolmesh_cli.arguments import kebab

_FIELD: Final = "progress"
_COUNTS: Final = ("done_count", "total_count")
_SECONDS_BETWEEN_LINES: Final = 1.0


def tells_progress(descriptor: Descriptor) -> bool:
    """Whether messages of the type say how far the method has got."""
    field = descriptor.fields_by_name.get(_FIELD)
    if field is None or field.message_type is None or field.is_repeated:
        return False
    return all(name in field.message_type.fields_by_name for name in _COUNTS)


def is_only_progress(message: Any) -> bool:
    """Whether the message says nothing but that."""
    return [field.name for field, _ in message.ListFields()] == [_FIELD] and _is_told(message)


class ProgressDisplay:
    """Plain lines on stderr, about one a second."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._told_at = 0.0

    def show(self, message: Message) -> None:
        """Shows what the message says of the progress, if it does."""
        now = time.monotonic()
        if not _is_told(message) or now - self._told_at < _SECONDS_BETWEEN_LINES:
            return
        self._told_at = now
        done, total, stage = _counts(message)
        click.echo(f"{stage or self._title}: {_text(done, total)}", err=True)


class _Bar(ProgressDisplay):
    """A bar on a terminal."""

    def __init__(self, title: str, progress: Any) -> None:
        super().__init__(title)
        self._progress = progress
        self._task: Any = None

    def show(self, message: Message) -> None:
        if not _is_told(message):
            return
        done, total, stage = _counts(message)
        if self._task is None:
            self._task = self._progress.add_task(self._title, total=None, text="")
        self._progress.update(
            self._task,
            description=stage or self._title,
            completed=done,
            total=total or None,
            text=_text(done, total),
        )


class _Nothing(ProgressDisplay):
    """Who reads JSON has the progress in it."""

    def show(self, message: Message) -> None:
        """Shows nothing."""


@asynccontextmanager
async def progress_display(method: str, *, quiet: bool = False) -> AsyncGenerator[ProgressDisplay]:
    """A bar on a terminal's stderr, plain lines on any other, nothing if it is to be quiet."""
    title = kebab(method).replace("-", " ")
    if quiet or not sys.stderr.isatty():
        yield _Nothing(title) if quiet else ProgressDisplay(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(title, progress)


def _is_told(message: Any) -> bool:
    return tells_progress(message.DESCRIPTOR) and message.HasField(_FIELD)


def _counts(message: Message) -> tuple[int, int, str]:
    told: Any = getattr(message, _FIELD)
    return told.done_count, told.total_count, getattr(told, "stage", "")


def _text(done: int, total: int) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"
