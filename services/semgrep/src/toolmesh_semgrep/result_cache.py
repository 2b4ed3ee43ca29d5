"""Keeps what rules found in files by the digests of both, across restarts.

A row holds what a set of rules found in one content, so that a scan reads one row a file; which
rules are in a set is kept once. A scan with rules that are in no kept set of a file runs those
alone. What is damaged counts as absent: results are sealed, and all else is a part of a digest.
"""

import hashlib
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import msgspec

from toolmesh_semgrep.results import FileResult
from toolmesh_serving.cache_file import CacheFile, sealed, used_bytes

# Counted up when what is kept changes its meaning.
_LAYOUT = 4
_QUERY_ROWS = 500
# What eviction leaves, as a part of the limit: so that not every write evicts.
_AFTER_EVICTION = 0.8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rules (
  rule BLOB NOT NULL,
  rule_set INTEGER NOT NULL,
  PRIMARY KEY (rule, rule_set)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
  file BLOB NOT NULL,
  rule_set INTEGER NOT NULL,
  result BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  PRIMARY KEY (file, rule_set)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_by_time ON results (kept_at);
"""

Rules = frozenset[bytes]
"""The digests of rules."""


class ResultCache:
    """Results in one file, bounded in size; the oldest go first.

    All methods block, and may be called from any thread. Another version of the engine may find
    something else, so it begins with an empty file.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(FileResult).decode
        told = f"{_LAYOUT} {version('semgrep')}".encode()
        # SQLite has 31 bits for it, and 0 means a new file.
        self._file = CacheFile(path, schema=_SCHEMA, version=zlib.crc32(told) >> 1 or 1)

    def get_many(
        self, files: Iterable[bytes], rules: Collection[bytes], *, most_kilobytes: int
    ) -> dict[bytes, list[tuple[Rules, FileResult]]]:
        """Return what is kept of each file by some of the rules: results, each with its rules.

        What other rules found is left out, and each rule comes once a file. It ends early when the
        results take more than `most_kilobytes`.
        """
        found: dict[bytes, list[tuple[Rules, FileResult]]] = {}
        known: defaultdict[bytes, Rules] = defaultdict(frozenset)
        total = 0
        with self._file.working() as connection:
            sets = _sets_with(connection, rules)
            for (file, number), data in self._rows(connection, files, sets):
                new = sets[number] - known[file]
                if not new:
                    continue
                result = self._decode(data).of_rules(new)
                found.setdefault(file, []).append((new, result))
                known[file] |= new
                total += result.kilobytes
                if total > most_kilobytes:
                    break
        return found

    def put_many(self, rules: Rules, results: Mapping[bytes, FileResult]) -> None:
        """Keep what a set of rules found in files."""
        number = _number_of(rules)
        now = int(time.time())
        rows = [
            (file, number, sealed(self._encode(result)), now) for file, result in results.items()
        ]
        with self._file.working() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO rules VALUES (?, ?)", [(rule, number) for rule in rules]
            )
            connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
            self._evict(connection)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(
        self, connection: sqlite3.Connection, files: Iterable[bytes], sets: Collection[int]
    ) -> Iterator[tuple[tuple[bytes, int], bytes]]:
        numbers = ",".join(map(str, sets))
        for chunk in _chunks(files):
            query = (
                "SELECT file, rule_set, result FROM results"  # noqa: S608 - marks and numbers
                f" WHERE file IN ({_marks(chunk)}) AND rule_set IN ({numbers})"
            )
            rows = {(file, number): data for file, number, data in connection.execute(query, chunk)}
            yield from self._file.intact(rows).items()

    def _evict(self, connection: sqlite3.Connection) -> None:
        used = used_bytes(connection)
        if used <= self._max_bytes:
            return
        (count,) = connection.execute("SELECT count(*) FROM results").fetchone()
        excess = int(count * (1 - self._max_bytes * _AFTER_EVICTION / used)) + 1
        connection.execute(
            "DELETE FROM results WHERE (file, rule_set) IN"
            " (SELECT file, rule_set FROM results ORDER BY kept_at LIMIT ?)",
            (excess,),
        )
        connection.execute("DELETE FROM rules WHERE rule_set NOT IN (SELECT rule_set FROM results)")


def _number_of(rules: Rules) -> int:
    """Return what a set of rules is known by: of its digest, as much as SQLite has numbers for.

    Numbers that count would name another set, whose rules never ran, when a bit of one changes.
    """
    digest = hashlib.sha256(b"".join(sorted(rules))).digest()
    return int.from_bytes(digest[:8]) >> 1


def _sets_with(connection: sqlite3.Connection, rules: Collection[bytes]) -> dict[int, Rules]:
    """Return the kept sets that have some of the rules: which of them each has."""
    members: defaultdict[int, set[bytes]] = defaultdict(set)
    for chunk in _chunks(rules):
        query = f"SELECT rule, rule_set FROM rules WHERE rule IN ({_marks(chunk)})"  # noqa: S608 - marks
        for rule, number in connection.execute(query, chunk):
            if isinstance(number, int):  # a damaged row may have anything
                members[number].add(rule)
    return {number: frozenset(known) for number, known in members.items()}


def _marks(chunk: Collection[bytes]) -> str:
    return ",".join("?" * len(chunk))


def _chunks(items: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _QUERY_ROWS)):
        yield chunk
