"""Runs the command as a user would, inside this process.

- `toolmesh: Callable[..., Ran]`: `toolmesh("whoami", "--json")` is the exit code and the output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolmesh_cli.app import run


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the user's state and cache, and the checkout's mesh, out of the tests."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("TOOLMESH_DATA", str(tmp_path / "no-mesh"))


@pytest.fixture
def toolmesh(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command with these arguments."""

    def toolmesh(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run(arguments)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return toolmesh
