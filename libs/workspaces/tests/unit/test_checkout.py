"""Writing a snapshot's files into a real folder."""

from pathlib import Path

import pytest

from toolmesh_workspaces.checkout import CheckoutWriter
from toolmesh_workspaces.limits import DEFAULT_LIMITS
from toolmesh_workspaces.manifest import FileEntry, Manifest

_FILES = (
    FileEntry("a/b/run", b"1" * 32, 3, executable=True),
    FileEntry("a/copy", b"1" * 32, 3),
    FileEntry("link", symlink_target="a/copy"),
)


def test_files_folders_modes_and_links_are_made(tmp_path: Path) -> None:
    """One content may go to several paths."""
    writer = CheckoutWriter(tmp_path / "new/folder", Manifest(_FILES))
    writer.make_folders()
    writer.write(_FILES[:2], b"abc")
    writer.make_links()
    root = tmp_path / "new/folder"
    assert (root / "a/b/run").read_bytes() == (root / "link").read_bytes() == b"abc"
    assert (root / "a/b/run").stat().st_mode & 0o100
    assert not (root / "a/copy").stat().st_mode & 0o100


def test_the_deepest_path_that_a_snapshot_may_have_is_made(tmp_path: Path) -> None:
    """Folders are made by recursion, of which Python bears only so much."""
    deepest = FileEntry("/".join(["a"] * DEFAULT_LIMITS.path_parts), b"1" * 32, 1)
    writer = CheckoutWriter(tmp_path / "new", Manifest((deepest,)))
    writer.make_folders()
    writer.write([deepest], b"x")
    assert (tmp_path / "new" / deepest.path).read_bytes() == b"x"


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    """What is there already could be a link that leads away."""
    (tmp_path / "x").write_text("")
    with pytest.raises(FileExistsError):
        CheckoutWriter(tmp_path, Manifest(()))


def test_no_write_follows_a_link_or_replaces_a_file(tmp_path: Path) -> None:
    """Even when somebody puts a link there meanwhile, it is not written through."""
    writer = CheckoutWriter(tmp_path / "root", Manifest(_FILES))
    writer.make_folders()
    (tmp_path / "target").write_text("safe")
    (tmp_path / "root/a/copy").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        writer.write(_FILES[1:2], b"bad")
    assert (tmp_path / "target").read_text() == "safe"
