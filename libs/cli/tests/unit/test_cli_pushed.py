"""Which workspace a folder was pushed to is remembered."""

from pathlib import Path

import pytest

from toolmesh_cli.pushed import pushed_workspace, remember_push


def test_each_mesh_has_its_own_memory(tmp_path: Path) -> None:
    """The same folder is another workspace on another mesh, and links lead to the folder."""
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    folder = tmp_path / "code"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder)
    remember_push("http://a:1", folder, "w-1", environ=environ)
    remember_push("http://b:1", folder, "w-2", environ=environ)
    assert pushed_workspace("http://a:1", link, environ=environ) == "w-1"
    assert pushed_workspace("http://b:1", folder, environ=environ) == "w-2"
    assert pushed_workspace("http://a:1", tmp_path, environ=environ) is None


@pytest.mark.parametrize("content", ["", "[]", "{broken"])
def test_a_broken_memory_is_an_empty_one(tmp_path: Path, content: str) -> None:
    """A file that cannot be read costs a new workspace and nothing else."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    file = tmp_path / "toolmesh" / "workspaces.json"
    file.parent.mkdir()
    file.write_text(content)
    assert pushed_workspace("http://a:1", tmp_path, environ=environ) is None
    remember_push("http://a:1", tmp_path, "w-1", environ=environ)
    assert pushed_workspace("http://a:1", tmp_path, environ=environ) == "w-1"
