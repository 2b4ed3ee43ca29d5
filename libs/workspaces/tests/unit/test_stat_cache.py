"""What is remembered between scans, and when it must not be trusted."""

import os
import time
from pathlib import Path

import pytest

from toolmesh_workspaces import stat_cache
from toolmesh_workspaces.scan import Scan, scan_tree
from toolmesh_workspaces.stat_cache import StatCache, is_settled, stamp_of, user_cache_folder

_SECOND = 1_000_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with three files."""
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("a", "b", "c"):
        (root / name).write_text(name)
    return root


def _scan(tree: Path) -> Scan:
    cache = StatCache.for_tree(tree, folder=tree.parent / "cache")
    return scan_tree(tree, cache=cache)


def _scan_settled(tree: Path) -> Scan:
    """Scan once the files are old enough to be remembered: the condition that scans wait for."""
    while not all(
        is_settled((0, 0, file.stat().st_ctime_ns, 0), time.time_ns()) for file in tree.iterdir()
    ):
        os.sched_yield()
    return _scan(tree)


def test_an_unchanged_tree_is_not_read_again(tree: Path) -> None:
    """The second scan gives the same snapshot and opens no file."""
    first, second = _scan_settled(tree), _scan(tree)
    assert (first.read_files, second.read_files) == (3, 0)
    assert first.manifest == second.manifest


@pytest.mark.parametrize("year", [1900, 2400])
def test_times_in_other_centuries_are_remembered(tree: Path, year: int) -> None:
    """A file may state any; those of 2400 do not fit into the numbers of the cache."""
    seconds = (year - 1970) * 365.25 * 86_400
    os.utime(tree / "a", (seconds, seconds))
    assert _scan_settled(tree).read_files == 3
    assert _scan(tree).read_files == 0


def test_any_inode_can_be_remembered(tree: Path) -> None:
    """Some file systems use all 64 bits."""
    status = os.stat_result((0o100644, 2**64 - 7, *(0,) * 8), {"st_mtime_ns": 1, "st_ctime_ns": 1})
    cache = StatCache.for_tree(tree, folder=tree.parent / "cache")
    cache.replace({"a": (stamp_of(status), bytes(32))})
    again = StatCache.for_tree(tree, folder=tree.parent / "cache")
    assert again.digest("a", stamp_of(status)) == bytes(32)


def test_only_the_changed_file_is_read(tree: Path) -> None:
    """One edit costs one read."""
    _scan_settled(tree)
    (tree / "b").write_text("other")
    scan = _scan(tree)
    assert scan.read_files == 1
    assert scan.manifest.find("b") != _scan(tree).manifest.find("a")


def test_a_change_that_keeps_size_and_mtime_is_noticed(tree: Path) -> None:
    """ctime tells of a write whose mtime was set back."""
    before = _scan_settled(tree)
    status = (tree / "b").stat()
    (tree / "b").write_text("x")
    os.utime(tree / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = _scan(tree)
    assert after.read_files == 1
    assert after.manifest.snapshot != before.manifest.snapshot


def test_a_file_that_was_just_written_is_not_remembered(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write in the same tick, here of a minute, would leave every figure as it is."""
    monkeypatch.setattr(stat_cache, "_TICK_NS", 60 * _SECOND)
    (tree / "b").write_text("y")
    _scan(tree)
    assert _scan(tree).read_files >= 1


@pytest.mark.parametrize(
    ("changed", "now", "settled"),
    [
        (5 * _SECOND + 1, 5 * _SECOND + 50_000_000, False),
        (5 * _SECOND + 1, 5 * _SECOND + 200_000_000, True),
        (5 * _SECOND, 6 * _SECOND, False),
        (5 * _SECOND, 8 * _SECOND, True),
        (9 * _SECOND + 1, 5 * _SECOND, False),
    ],
)
def test_the_margin_fits_the_clock_of_the_file_system(
    changed: int, now: int, settled: bool
) -> None:
    """Whole seconds get two seconds; a time in the future is never trusted."""
    assert is_settled((0, 0, changed, 0), now) is settled


@pytest.mark.parametrize("damage", [b"", b"TMSTAT1\n", b"x" * 500, b"TMSTAT1\n" + b"\xff" * 100])
def test_a_damaged_cache_is_as_good_as_none(tree: Path, damage: bytes) -> None:
    """It costs a full scan and nothing else."""
    first = _scan_settled(tree)
    (file,) = (tree.parent / "cache/trees").iterdir()
    file.write_bytes(damage)
    assert _scan(tree).manifest == first.manifest


def test_a_cache_that_cannot_be_written_is_no_error(tree: Path) -> None:
    """A read-only home still pushes."""
    (tree.parent / "cache").write_text("a file where the folder should be")
    assert _scan(tree).read_files == 3


def test_caches_of_trees_that_are_gone_are_removed(tree: Path) -> None:
    """The folder does not grow for ever."""
    trees = tree.parent / "cache/trees"
    trees.mkdir(parents=True)
    (trees / "old").write_text("")
    (trees / "recent").write_text("")
    os.utime(trees / "old", (0, 0))
    _scan_settled(tree)
    assert not (trees / "old").exists()
    assert (trees / "recent").exists()


def test_the_cache_lies_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG's variable is obeyed, and a relative one is not, as its specification says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache_folder() == tmp_path / "toolmesh"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert user_cache_folder() == tmp_path / ".cache/toolmesh"
