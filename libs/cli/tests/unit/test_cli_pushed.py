"""Which workspace a folder was pushed to is remembered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh_cli.connection import Session
from toolmesh_cli.mesh.folder import MeshFolder, MeshState
from toolmesh_cli.pushed import pushed_workspaces, remember_push


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a state folder of its own."""
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def test_each_mesh_has_its_own_memory(tmp_path: Path, environ: dict[str, str]) -> None:
    """The same folder is another workspace on another mesh, and links lead to the folder."""
    folder = tmp_path / "code"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder)
    remember_push("http://a:1", folder, subject="ann", workspace="w-1", environ=environ)
    remember_push("http://b:1", folder, subject="ann", workspace="w-2", environ=environ)
    assert pushed_workspaces("http://a:1", link, environ=environ) == {"ann": "w-1"}
    assert pushed_workspaces("http://b:1", folder, environ=environ) == {"ann": "w-2"}
    assert pushed_workspaces("http://a:1", tmp_path, environ=environ) == {}


def test_each_subject_has_its_own_workspace(tmp_path: Path, environ: dict[str, str]) -> None:
    """What another one pushes takes nothing from the first; a new push of one's own does."""
    for subject, workspace in (("ann", "w-1"), ("bob", "w-2"), ("bob", "w-3")):
        remember_push("m", tmp_path, subject=subject, workspace=workspace, environ=environ)
    assert pushed_workspaces("m", tmp_path, environ=environ) == {"ann": "w-1", "bob": "w-3"}


def test_a_mesh_on_this_machine_is_known_on_any_port(tmp_path: Path) -> None:
    """It is remembered by its folder; another mesh by its URL, whatever runs here."""
    environ = {"TOOLMESH_DATA": str(tmp_path)}
    folder = MeshFolder(tmp_path)
    for port in (18080, 18081):
        folder.write_state(MeshState(url=f"http://127.0.0.1:{port}", started_at=1.0))
        assert Session(environ=environ).mesh_name() == str(tmp_path)
    other = Session(url="https://mesh.example.com", environ=environ)
    assert other.mesh_name() == "https://mesh.example.com:443"
    folder.write_state(None)
    assert Session(environ=environ).mesh_name() == "http://127.0.0.1:8080"


@pytest.mark.parametrize("content", ["", "[]", "{broken", '{"m": 1}', '{"m": {"/": "w"}}'])
def test_a_broken_memory_is_an_empty_one(
    tmp_path: Path, environ: dict[str, str], content: str
) -> None:
    """A file that cannot be read costs a new workspace and nothing else."""
    file = tmp_path / "state" / "toolmesh" / "workspaces.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert pushed_workspaces("m", Path("/"), environ=environ) == {}
    remember_push("m", Path("/"), subject="ann", workspace="w-1", environ=environ)
    assert pushed_workspaces("m", Path("/"), environ=environ) == {"ann": "w-1"}


def test_without_a_push_the_mesh_that_was_asked_for_is_named(toolmesh: Callable[..., Any]) -> None:
    """A mesh that moved is another one for the command: the message says of which it speaks."""
    ran = toolmesh("--url", "http://127.0.0.1:9", "repomap", "map")
    assert ran.code == 2
    assert "no push of this folder to http://127.0.0.1:9 is known" in ran.err
