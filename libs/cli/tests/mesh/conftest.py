"""A whole mesh for the tests of the command.

- `running_mesh: tuple[Path, str]`: the data folder and the URL of a mesh of all services.
- `mesh: str`: the same, made the test's own; its URL.
- `pushed: Path`: a folder with code that was pushed to it, and that is the current one.
"""

import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from toolmesh_cli.app import run
from toolmesh_cli.failures import ExitCode
from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.leftovers import find_leftovers

_FUNCTIONS = 120


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def running_mesh() -> Generator[tuple[Path, str]]:
    """A mesh of all services of this checkout; its data folder and URL."""
    folder = Path(tempfile.mkdtemp(prefix="toolmesh-"))
    port = _free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLMESH_DATA", str(folder))
        assert run(["up", "--port", str(port)]) == ExitCode.OK
        yield folder, f"http://127.0.0.1:{port}"
        patch.setenv("TOOLMESH_DATA", str(folder))
        assert run(["down"]) == ExitCode.OK
    assert find_leftovers(MeshFolder(folder)) == []
    assert list((folder / "run").glob("*.sock")) == []
    shutil.rmtree(folder)


@pytest.fixture
def mesh(running_mesh: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """That mesh, made this test's own; its URL."""
    monkeypatch.setenv("TOOLMESH_DATA", str(running_mesh[0]))
    return running_mesh[1]


@pytest.fixture
def pushed(
    mesh: str, toolmesh: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Many functions that return, and as many mistakes, some of which a rule can mend."""
    folder = tmp_path / "pushed"
    folder.mkdir()
    for number in range(_FUNCTIONS):
        text = f"def load_{number}(text):\n    return yaml.load(text, Loader=yaml.Loader)\n"
        (folder / f"load_{number}.py").write_text(f"import yaml\n\n\n{text}")
    assert toolmesh("push", str(folder)).code == ExitCode.OK, mesh
    monkeypatch.chdir(folder)
    return folder
