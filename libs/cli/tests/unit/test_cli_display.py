"""On a terminal, what takes long shows that it goes on."""

import asyncio
import os
import pty
import select
import sys
from collections.abc import Generator
from typing import TextIO

import pytest

from toolmesh_cli.calling import sign_of_life
from toolmesh_cli.push_display import push_display
from toolmesh_workspaces.push import PushProgress

_PATIENCE_SECONDS = 30.0


class Terminal:
    """A terminal: what is written to `stderr` is shown on it."""

    def __init__(self) -> None:
        self._screen, slave = pty.openpty()
        self.stderr: TextIO = os.fdopen(slave, "w")
        self._shown = ""

    async def until_shown(self, text: str) -> None:
        """Waits until a text is on the screen."""
        while text not in self._shown:
            await asyncio.to_thread(self._read)

    def _read(self) -> None:
        readable, _, _ = select.select([self._screen], [], [], _PATIENCE_SECONDS)
        assert readable, f"nothing is drawn any more after {self._shown!r}"
        self._shown += os.read(self._screen, 4096).decode(errors="replace")

    def close(self) -> None:
        """Switches it off."""
        self.stderr.close()
        os.close(self._screen)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Generator[Terminal]:
    """A terminal. A test makes it stderr itself: pytest sets that anew when the test begins."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    yield terminal
    terminal.close()


async def test_a_push_shows_how_far_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scanned files and sent bytes are counted, each against all of them."""
    monkeypatch.setattr(sys, "stderr", terminal.stderr)
    async with push_display() as display:
        display.on_scan(7, 8)
        await terminal.until_shown("7 of 8 files")
        display.on_push(PushProgress(3, 2_000_000, 1, 1_000_000))
        await terminal.until_shown("1.0 of 2.0 MB")


async def test_a_long_call_shows_its_name(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a second a spinner names what is waited for."""
    monkeypatch.setattr(sys, "stderr", terminal.stderr)
    async with sign_of_life("Repository map"):
        await terminal.until_shown("Repository map")


async def test_nothing_is_drawn_into_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal there is no display."""
    async with push_display() as display, sign_of_life("x"):
        display.on_scan(1, 1)
    assert capfd.readouterr().err == ""
