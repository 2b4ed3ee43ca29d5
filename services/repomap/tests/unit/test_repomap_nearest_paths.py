"""What may be meant by a path that is no file."""

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


def test_an_empty_snapshot_has_no_paths() -> None:
    """Without files there is nothing to suggest."""
    assert why_unknown([], "a.py") == ("is no file of the snapshot", [])
