"""Scanning real folders: what git ignores, links, devices, odd names, and files that change."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from toolmesh_workspaces.builder import ManifestBuilder
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.listing import ListingError
from toolmesh_workspaces.refusals import ManifestError, Refusal
from toolmesh_workspaces.scan import Scan, scan_tree


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def _write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def _paths(scan: Scan) -> list[str]:
    return [entry.path for entry in scan.manifest.files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def test_files_are_listed_with_digest_size_and_mode(root: Path) -> None:
    """An entry says all that is needed to write the file again."""
    _write(root, "a.txt", "bin/run")
    (root / "bin/run").chmod(0o755)
    plain, script = scan_tree(root).manifest.files
    assert (plain.digest, plain.size_bytes) == (blake3(b"a.txt").digest(), 5)
    assert (plain.executable, script.executable) == (False, True)


def test_ignore_files_are_obeyed_outside_of_a_checkout(root: Path) -> None:
    """Nested files, negation and anchors mean what git means by them."""
    _write(root, "a.py", "a.pyc", "build/x", "src/build/x", "src/keep.pyc", "src/gen/y")
    (root / ".gitignore").write_text("*.pyc\n/build/\n")
    (root / "src/.gitignore").write_text("!keep.pyc\ngen/\n")
    assert _paths(scan_tree(root)) == [
        ".gitignore", "a.py", "src/.gitignore", "src/build/x", "src/keep.pyc",
    ]  # fmt: skip


def test_a_checkout_follows_its_own_excludes_and_keeps_what_it_tracks(root: Path) -> None:
    """`info/exclude` counts, a tracked file stays although it is ignored, `.git` is left out."""
    _git(root, "init", "-q")
    _write(root, "a.py", "secret.env", "dist/kept.js", "dist/dropped.js", "deleted.py")
    (root / ".gitignore").write_text("dist/\n")
    (root / ".git/info/exclude").write_text("*.env\n")
    _git(root, "add", "-f", "dist/kept.js", "deleted.py")
    (root / "deleted.py").unlink()
    assert _paths(scan_tree(root)) == [".gitignore", "a.py", "dist/kept.js"]


def test_a_checkout_in_the_tree_is_listed_by_its_own_rules(root: Path) -> None:
    """Submodules and stray clones belong to the snapshot, without their `.git`."""
    _git(root, "init", "-q")
    inner = root / "vendor/lib"
    _write(inner, "x.py", "x.log")
    (inner / ".gitignore").write_text("*.log\n")
    _git(inner, "init", "-q")
    _git(inner, "add", ".")
    _git(inner, "commit", "-qm", "x")
    _write(root, "main.py")
    expected = ["main.py", "vendor/lib/.gitignore", "vendor/lib/x.py"]
    assert _paths(scan_tree(root)) == expected
    _git(root, "add", "vendor/lib")
    assert _paths(scan_tree(root)) == expected


def test_an_ignored_folder_that_is_named_is_scanned(root: Path) -> None:
    """Who pushes an installed package means that package, though the checkout around ignores it."""
    _git(root, "init", "-q")
    _write(root, ".venv/lib/a.py", ".venv/lib/b.py")
    (root / ".gitignore").write_text(".venv/\n")
    assert _paths(scan_tree(root / ".venv/lib")) == ["a.py", "b.py"]


def test_a_part_of_a_checkout_obeys_the_rules_above_it(root: Path) -> None:
    """Paths are relative to the folder that was named."""
    _git(root, "init", "-q")
    _write(root, "src/a.py", "src/a.pyc", "other.py")
    (root / ".gitignore").write_text("*.pyc\n")
    assert _paths(scan_tree(root / "src")) == ["a.py"]


def test_programs_named_in_a_checkouts_settings_are_not_run(root: Path) -> None:
    """A cloned repository must not run anything because it was pushed."""
    _git(root, "init", "-q")
    _write(root, "a.py")
    hook = root.parent / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {root.parent}/ran\n")
    hook.chmod(0o755)
    _git(root, "config", "core.fsmonitor", str(hook))
    assert _paths(scan_tree(root)) == ["a.py"]
    assert not (root.parent / "ran").exists()


def test_a_folder_that_does_not_exist_is_an_error(root: Path) -> None:
    """It is not taken for an empty one."""
    with pytest.raises(FileNotFoundError):
        scan_tree(root / "missing")


def test_without_git_the_scan_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing what is ignored could push secrets, so nothing is guessed."""
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(ListingError, match="git is needed"):
        scan_tree(root)


def test_special_files_are_left_out(root: Path) -> None:
    """git lists neither FIFOs nor sockets; a link to a device leaves the tree and is told."""
    _write(root, "a.py")
    os.mkfifo(root / "pipe")
    (root / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(root / "s"))
        scan = scan_tree(root)
    assert _paths(scan) == ["a.py"]
    assert [(item.path, item.reason) for item in scan.skipped] == [("null", "is absolute")]


def test_a_tracked_file_that_became_a_fifo_is_left_out_and_told(root: Path) -> None:
    """Opening it would wait for ever."""
    _git(root, "init", "-q")
    _write(root, "a.py", "b.py")
    _git(root, "add", ".")
    (root / "a.py").unlink()
    os.mkfifo(root / "a.py")
    scan = scan_tree(root)
    assert _paths(scan) == ["b.py"]
    assert [(item.path, item.reason) for item in scan.skipped] == [("a.py", "is a FIFO")]


def test_links_out_of_the_tree_are_left_out_and_told(root: Path) -> None:
    """Links within stay; one that leaves is skipped with the links that lead through it."""
    _write(root, "d/a.py")
    (root / "good").symlink_to("d/a.py")
    (root / "out").symlink_to("../..")
    (root / "via").symlink_to("out")
    scan = scan_tree(root)
    assert _paths(scan) == ["d/a.py", "good"]
    assert {item.path for item in scan.skipped} == {"out", "via"}


def test_tracked_files_behind_a_link_are_not_taken_twice(root: Path) -> None:
    """A tracked folder that was replaced by a link is the link now."""
    _git(root, "init", "-q")
    _write(root, "old/a.py", "new/a.py")
    _git(root, "add", ".")
    (root / "old/a.py").unlink()
    (root / "old").rmdir()
    (root / "old").symlink_to("new")
    assert _paths(scan_tree(root)) == ["new/a.py", "old"]


def test_names_that_cannot_be_pushed_are_left_out_and_told(root: Path) -> None:
    """Bytes that are not UTF-8 and backslashes are skipped, and shown readably."""
    _write(root, "a.py", "b\\c")
    (root / os.fsdecode(b"bad\xff")).write_text("x")
    scan = scan_tree(root)
    assert _paths(scan) == ["a.py"]
    assert {item.path for item in scan.skipped} == {"b\\c", "bad\\xff"}


def test_files_that_are_too_large_are_left_out_and_told(root: Path) -> None:
    """One large file does not keep the rest from being pushed."""
    _write(root, "a")
    (root / "large").write_bytes(b"x" * 11)
    scan = scan_tree(root, limits=Limits(file_bytes=10))
    assert _paths(scan) == ["a"]
    assert scan.skipped[0].reason == "is larger than 10 bytes"


def test_a_tree_with_too_many_files_is_refused(root: Path) -> None:
    """That is nothing to skip silently."""
    _write(root, "a", "b", "c")
    with pytest.raises(ManifestError) as caught:
        scan_tree(root, limits=Limits(files=2))
    assert caught.value.refusal is Refusal.TOO_LARGE


def test_a_tree_with_too_many_bytes_is_refused(root: Path) -> None:
    """Each file alone would do."""
    _write(root, "a", "b", "c")
    with pytest.raises(ManifestError) as caught:
        scan_tree(root, limits=Limits(snapshot_bytes=2))
    assert caught.value.refusal is Refusal.TOO_LARGE


def test_what_a_scan_gives_passes_the_builder(root: Path) -> None:
    """A scan checks as it goes along; the service's checks find nothing more."""
    _git(root, "init", "-q")
    _write(root, "a-b", "a/b", "a/c/d", "vendor/lib/x.py", "日本")
    _git(root, "add", ".")
    _git(root / "vendor/lib", "init", "-q")
    (root / "a/l").symlink_to("../a-b")
    builder = ManifestBuilder()
    for entry in scan_tree(root).manifest.files:
        builder.add(entry)
    assert len(builder.build().files) == 6


def test_progress_counts_every_file(root: Path) -> None:
    """A progress bar reaches its end."""
    _write(root, *(f"{n}" for n in range(150)))
    seen: list[tuple[int, int]] = []
    scan_tree(root, on_progress=lambda done, everything: seen.append((done, everything)))
    assert seen[-1] == (150, 150)
