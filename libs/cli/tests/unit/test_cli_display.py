"""On a terminal, what takes long shows that it goes on."""

import asyncio
import os
import pty
import sys
from collections.abc import Callable, Generator

import pytest

from toolmesh_cli.calling import sign_of_life
from toolmesh_cli.push_display import push_display
from toolmesh_workspaces.push import PushProgress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str], None]]:
    """Makes stderr a terminal; the value waits until a text is shown on it."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown = ""

    def until_shown(text: str) -> None:
        nonlocal shown
        while text not in shown:
            shown += os.read(master, 4096).decode()

    with os.fdopen(slave, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        yield until_shown
    os.close(master)


async def test_a_push_shows_how_far_it_is(terminal: Callable[[str], None]) -> None:
    """Scanned files and sent bytes are counted, each against all of them."""
    async with push_display() as display:
        display.on_scan(7, 8)
        await asyncio.to_thread(terminal, "7 of 8 files")
        display.on_push(PushProgress(3, 2_000_000, 1, 1_000_000))
        await asyncio.to_thread(terminal, "1.0 of 2.0 MB")


async def test_a_long_call_shows_its_name(terminal: Callable[[str], None]) -> None:
    """After a second a spinner names what is waited for."""
    async with sign_of_life("Repository map"):
        await asyncio.to_thread(terminal, "Repository map")


async def test_nothing_is_drawn_into_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal there is no display."""
    async with push_display() as display, sign_of_life("x"):
        display.on_scan(1, 1)
    assert capfd.readouterr().err == ""
