"""The outlines that are kept, across restarts and damage."""

import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from toolmesh_outlines.outline_cache import OutlineCache

Open = Callable[[], OutlineCache]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the cache is."""
    return tmp_path / "data" / "outlines.sqlite"


@pytest.fixture
def reopen(path: Path) -> Generator[Open]:
    """Opens the cache anew, as after a restart."""
    opened: list[OutlineCache] = []

    def reopen() -> OutlineCache:
        while opened:
            opened.pop().close()
        opened.append(OutlineCache(path, max_bytes=2**20))
        return opened[0]

    yield reopen
    while opened:
        opened.pop().close()


def _key(number: int, language: str = "python") -> tuple[bytes, str]:
    return number.to_bytes(32), language


def test_finds_what_was_put(reopen: Open) -> None:
    """A content is known in the languages that it was read in, and no other."""
    cache = reopen()
    cache.put_many({_key(1): b"one", _key(1, "c"): b"one in C", _key(2): b"two"})
    found = cache.get_many([_key(1), _key(2), _key(3), _key(2, "c")])
    assert found == {_key(1): b"one", _key(2): b"two"}


def test_finds_it_after_a_restart(reopen: Open) -> None:
    """The file outlives the process."""
    reopen().put_many({_key(number): b"%d" % number for number in range(1500)})
    assert len(reopen().get_many(map(_key, range(2000)))) == 1500


def test_stays_within_its_bounds(reopen: Open, path: Path) -> None:
    """However much is put in, the file stays about as large as allowed, and the newest stays."""
    cache = reopen()
    for start in range(0, 4000, 100):
        cache.put_many({_key(number): b"x" * 2000 for number in range(start, start + 100)})
    assert len(cache.get_many(map(_key, range(3900, 4000)))) == 100
    assert len(cache.get_many(map(_key, range(4000)))) < 600
    cache.close()
    assert path.stat().st_size < 2 * 2**20


def test_what_is_used_stays_longest(reopen: Open, path: Path) -> None:
    """The longest unused outlines are the first to go."""
    cache = reopen()
    cache.put_many({_key(number): b"x" * 2000 for number in range(200)})
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE outlines SET used_at = used_at - 1000000")
    connection.close()
    cache.get_many(map(_key, range(50)))
    cache.put_many({_key(number): b"x" * 2000 for number in range(200, 300)})
    assert len(cache.get_many(map(_key, range(50)))) == 50
    assert len(cache.get_many(map(_key, range(50, 200)))) < 100


@pytest.mark.parametrize(
    "damage", [b"", b"this is no database", b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_replaced(reopen: Open, path: Path, damage: bytes) -> None:
    """What is no database when the service starts is made anew."""
    reopen().put_many({_key(1): b"one"})
    reopen().close()
    path.write_bytes(damage)
    cache = reopen()
    assert cache.get_many([_key(1)]) == {}
    cache.put_many({_key(2): b"two"})
    assert cache.get_many([_key(2)]) == {_key(2): b"two"}


def test_damage_while_it_runs_is_survived(reopen: Open, path: Path) -> None:
    """Pages that turn bad under a running service cost the outlines in them, no call."""
    cache = reopen()
    cache.put_many({_key(number): b"x" * 3000 for number in range(200)})
    cache = reopen()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    assert cache.get_many(map(_key, range(200))) == {}
    cache.put_many({_key(1): b"again"})
    assert cache.get_many([_key(1)]) == {_key(1): b"again"}


def test_outlines_of_an_older_extractor_are_not_used(reopen: Open, path: Path) -> None:
    """A new version of the extraction starts with an empty cache."""
    reopen().put_many({_key(1): b"one"})
    reopen().close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999999")
    connection.close()
    assert reopen().get_many([_key(1)]) == {}


def test_a_damaged_outline_is_left_out(reopen: Open, path: Path) -> None:
    """One bit is enough; the others stay, the log tells once, and it can be put again."""
    content = bytes(range(100))
    cache = reopen()
    cache.put_many({_key(number): content for number in range(3)})
    with sqlite3.connect(path) as connection:
        (row,) = connection.execute("SELECT outline FROM outlines LIMIT 1").fetchone()
        for number, damaged in enumerate((bytes([row[0] ^ 1]) + row[1:], "text")):
            connection.execute(
                "UPDATE outlines SET outline = ? WHERE digest = ?", (damaged, _key(number)[0])
            )
    connection.close()
    with capture_logs() as entries:
        assert cache.get_many(map(_key, range(3))) == {_key(2): content}
    assert [(entry["event"], entry["row_count"]) for entry in entries] == [
        ("cache.rows_damaged", 2)
    ]
    cache.put_many({_key(1): content})
    assert cache.get_many([_key(1)]) == {_key(1): content}
