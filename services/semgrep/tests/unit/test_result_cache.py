"""What is found again of what was kept."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from toolmesh_semgrep.result_cache import ResultCache
from toolmesh_semgrep.results import FileResult, KeptFault, KeptMatch

_EVAL, _CROWD = b"eval", b"crowd"
_RULES = frozenset({_EVAL, _CROWD})


def _found(rule: bytes, count: int) -> tuple[KeptMatch, ...]:
    return tuple(
        KeptMatch(rule, 1, 1, 1, 1, place, place + 1, "", None, False, "", b"", 1)
        for place in range(count)
    )


def test_matches_of_other_rules_take_no_room(tmp_path: Path) -> None:
    """However much others find in the files, what was asked for is found again, and only that."""
    cache = ResultCache(tmp_path / "results.sqlite", max_bytes=2**25)
    fault = KeptFault(b"", "syntax error in a part of it")
    faults = (fault, KeptFault(_CROWD, "timed out"))
    found = FileResult(_found(_EVAL, 1) + _found(_CROWD, 300), faults)
    files = [bytes([number]) for number in range(8)]
    cache.put_many(_RULES, dict.fromkeys(files, found))
    # As two scans at once do, or one that did not find what was kept.
    cache.put_many(frozenset({_EVAL}), dict.fromkeys(files, FileResult(_found(_EVAL, 1), (fault,))))
    kept = cache.get_many(files, [_EVAL], most_kilobytes=10)
    mine = [(frozenset({_EVAL}), FileResult(_found(_EVAL, 1), (fault,)))]
    assert kept == dict.fromkeys(files, mine)
    assert len(cache.get_many(files, _RULES, most_kilobytes=1000)) == 4
    cache.close()


@pytest.mark.parametrize("damage", ["a bit", "its length", "its type"])
def test_a_damaged_result_counts_as_absent(tmp_path: Path, damage: str) -> None:
    """The log tells, the other files' results stay, and it can be kept again."""
    path = tmp_path / "results.sqlite"
    cache = ResultCache(path, max_bytes=2**25)
    found = {b"1": FileResult(_found(_EVAL, 1)), b"2": FileResult(_found(_EVAL, 2))}
    cache.put_many(_RULES, found)
    with closing(sqlite3.connect(path)) as connection, connection:
        query = "SELECT result FROM results WHERE file = ?"
        row = connection.execute(query, (b"1",)).fetchone()[0]
        middle = len(row) // 2
        flipped = row[:middle] + bytes([row[middle] ^ 1]) + row[middle + 1 :]
        new = {"a bit": flipped, "its length": row[:-3], "its type": "text"}[damage]
        connection.execute("UPDATE results SET result = ? WHERE file = ?", (new, b"1"))
    with capture_logs() as entries:
        kept = cache.get_many(found, _RULES, most_kilobytes=1000)
    assert kept == {b"2": [(_RULES, found[b"2"])]}
    assert [entry["event"] for entry in entries] == ["cache.rows_damaged"]
    cache.put_many(_RULES, found)
    assert set(cache.get_many(found, _RULES, most_kilobytes=1000)) == set(found)
    cache.close()


@pytest.mark.parametrize("table", ["results", "rules"])
@pytest.mark.parametrize("damage", [1, 2, None], ids=["a bit", "another", "its type"])
def test_a_damaged_number_names_no_other_set(
    tmp_path: Path, table: str, damage: int | None
) -> None:
    """What some rules found is never taken for what others found, which did not run."""
    path = tmp_path / "results.sqlite"
    cache = ResultCache(path, max_bytes=2**25)
    rules = [b"1", b"2", b"3"]
    for rule in rules:
        cache.put_many(frozenset({rule}), {b"file" + rule: FileResult()})
    with closing(sqlite3.connect(path)) as connection:
        numbers = [number for (number,) in connection.execute(f"SELECT rule_set FROM {table}")]
        change = f"UPDATE {table} SET rule_set = ? WHERE rule_set = ?"
        assert len(numbers) == len(rules)
        for number in numbers:
            damaged = b"x" if damage is None else number ^ damage
            with connection:
                connection.execute(change, (damaged, number))
            kept = cache.get_many([b"file" + rule for rule in rules], rules, most_kilobytes=9)
            assert len(kept) == len(rules) - 1
            for file, found in kept.items():
                assert found == [(frozenset({file[-1:]}), FileResult())]
            with connection:
                connection.execute(change, (number, damaged))
    cache.close()
