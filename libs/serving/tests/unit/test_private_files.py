"""Who can read what services keep of users' code."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolmesh_serving.cache_file import CacheFile
from toolmesh_serving.private_files import make_private, make_private_folder

_SCHEMA = "CREATE TABLE IF NOT EXISTS kept (code TEXT);"


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """With it all users can read what a program makes without further thought."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


def test_a_cache_file_is_its_users_alone(tmp_path: Path) -> None:
    """So are the files that SQLite keeps beside it, and the folder; also when it was damaged."""
    folder = tmp_path / "data"
    private = {"data": 0o700, "a.sqlite": 0o600, "a.sqlite-wal": 0o600, "a.sqlite-shm": 0o600}
    for content in (None, b"damaged" * 1000):
        if content is not None:
            folder.joinpath("a.sqlite").write_bytes(content)
        file = CacheFile(folder / "a.sqlite", schema=_SCHEMA, version=1)
        with file.working() as connection:
            connection.execute("INSERT INTO kept VALUES ('secret')")
        assert _modes(folder) == private
        file.close()


def test_what_an_older_service_left_open_to_all_is_closed(tmp_path: Path) -> None:
    """The content stays; the folder keeps its mode, for somebody may have chosen it."""
    path = tmp_path / "a.sqlite"
    file = CacheFile(path, schema=_SCHEMA, version=1)
    with file.working() as connection:
        connection.execute("INSERT INTO kept VALUES ('code')")
    for left in tmp_path.iterdir():
        left.chmod(0o644)
    tmp_path.chmod(0o755)
    # As after a crash: nobody closed the file.
    again = CacheFile(path, schema=_SCHEMA, version=1)
    with again.working() as connection:
        assert connection.execute("SELECT code FROM kept").fetchall() == [("code",)]
    modes = _modes(tmp_path)
    assert modes.pop(tmp_path.name) == 0o755
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
    again.close()
    file.close()


def test_the_umask_gives_nothing_away(tmp_path: Path) -> None:
    """What is made is private from the first moment, with parents that are not there yet."""
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    make_private(folder / "file")
    assert _modes(folder) == {"b": 0o700, "file": 0o600}
