"""Keeps what rules found in files by the digests of both, across restarts.

A row holds what a set of rules found in one content, so that a scan reads one row a file; which
rules are in a set is kept once. A scan with rules that are in no kept set of a file runs those
alone.
"""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from toolmesh_semgrep.results import RESULT_VERSION, FileResult
from toolmesh_serving.cache_file import CacheFile, used_bytes

_QUERY_ROWS = 500
# What eviction leaves, as a part of the limit: so that not every write evicts.
_AFTER_EVICTION = 0.8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rule_sets (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, rules BLOB);
CREATE TABLE IF NOT EXISTS results (
  file BLOB NOT NULL,
  rule_set INTEGER NOT NULL,
  result BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  PRIMARY KEY (file, rule_set)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_by_time ON results (kept_at);
"""
_DIGEST_BYTES = 16

Rules = frozenset[bytes]
"""The digests of rules."""


class ResultCache:
    """Results in one file, bounded in size; the oldest go first.

    All methods block, and may be called from any thread.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(FileResult).decode
        self._file = CacheFile(path, schema=_SCHEMA, version=RESULT_VERSION)

    def get_many(self, files: Iterable[bytes]) -> dict[bytes, list[tuple[Rules, FileResult]]]:
        """Return what is kept of each file: results, each with the rules that it is of."""
        found: dict[bytes, list[tuple[Rules, FileResult]]] = {}
        rules_of: dict[int, Rules] = {}
        with self._file.working() as connection:
            for number, rules in connection.execute("SELECT id, rules FROM rule_sets"):
                rules_of[number] = frozenset(_cut(rules))
            for chunk in _chunks(files, _QUERY_ROWS):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT file, rule_set, result FROM results WHERE file IN ({marks})"  # noqa: S608 - marks
                for file, number, data in connection.execute(query, chunk):
                    with contextlib.suppress(ValueError, KeyError):
                        found.setdefault(file, []).append((rules_of[number], self._decode(data)))
        return found

    def put_many(self, rules: Rules, results: Mapping[bytes, FileResult]) -> None:
        """Keep what a set of rules found in files."""
        joined = b"".join(sorted(rules))
        digest = hashlib.sha256(joined).digest()
        now = int(time.time())
        with self._file.working() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO rule_sets (digest, rules) VALUES (?, ?)", (digest, joined)
            )
            query = "SELECT id FROM rule_sets WHERE digest = ?"
            (number,) = connection.execute(query, (digest,)).fetchone()
            connection.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)",
                [(file, number, self._encode(result), now) for file, result in results.items()],
            )
            self._evict(connection)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

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
        connection.execute("DELETE FROM rule_sets WHERE id NOT IN (SELECT rule_set FROM results)")


def _cut(joined: bytes) -> Iterator[bytes]:
    for start in range(0, len(joined), _DIGEST_BYTES):
        yield joined[start : start + _DIGEST_BYTES]


def _chunks(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
