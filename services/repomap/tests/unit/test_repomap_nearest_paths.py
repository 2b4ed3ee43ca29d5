"""What may be meant by a path that is no file."""

import time
from dataclasses import dataclass

import pytest

from toolmesh_repomap.nearest_paths import why_unknown


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes = b"x"
    size_bytes: int = 1


_FILES = [
    _File("README.md"),
    _File("link.py", b""),
    *(_File(f"src/app/part{number}.py") for number in range(8)),
    _File("src/app/settings.py"),
    _File("src/other/settings.py"),
]


@pytest.mark.parametrize(
    ("path", "why", "nearest"),
    [
        ("src/app/setings.py", "is no file of the snapshot", "src/app/settings.py"),
        ("app/settings.py", "is no file of the snapshot", "src/app/settings.py"),
        ("other/settings.py", "is no file of the snapshot", "src/other/settings.py"),
        ("/work/src/app/Settings.py", "is no file of the snapshot", "src/app/settings.py"),
        ("./readme.md", "is no file of the snapshot", "README.md"),
        ("src/app/", "is a folder", "src/app/part0.py"),
        ("link.py", "is a symbolic link, which has no content of its own", None),
        ("zzz", "is no file of the snapshot", None),
        ("..", "is no file of the snapshot", None),
        ("   ", "is no file of the snapshot", None),
    ],
)
def test_what_may_be_meant(path: str, why: str, nearest: str | None) -> None:
    """Folders name their files, mistakes the paths that are most alike, at most five."""
    told, found = why_unknown(_FILES, path)
    assert told == why
    assert (found[0] if found else None) == nearest
    assert len(found) <= 5


def test_long_paths_of_few_letters_are_compared_as_fast_as_others() -> None:
    """What repeats takes no more time than what does not: some milliseconds."""
    files = [_File(f"{'ab' * 150}/b{number:03}.py") for number in range(64)]
    started = time.process_time()
    assert len(why_unknown(files, "a" * 4_000)[1]) == 0
    assert len(why_unknown(files, f"{'ab' * 2_000}/b007.py")[1]) == 5
    assert time.process_time() - started < 1


@pytest.mark.parametrize("folders", [0, 30, 300])
def test_the_ends_of_long_paths_tell(folders: int) -> None:
    """Of paths that begin alike for long, the one with the most alike end comes first."""
    above = "/".join(f"folder{number}" for number in range(folders))
    names = ("cart", "money", "orders", "stock", "taxes", "terms")
    files = [_File(f"{above}/app/{name}.py") for name in names]
    assert why_unknown(files, f"{above}/app/mony.py")[1][0] == f"{above}/app/money.py"


def test_letters_count_in_their_order() -> None:
    """Of two paths with the same letters, the one that has them in order is more alike."""
    files = [_File("ab/cd/ef/gh.py"), _File("gh/ef/cd/ab.py")]
    assert why_unknown(files, "ab/cde/f/gh.py")[1][0] == "ab/cd/ef/gh.py"


def test_an_empty_snapshot_has_no_paths() -> None:
    """Without files there is nothing to suggest."""
    assert why_unknown([], "a.py") == ("is no file of the snapshot", [])
