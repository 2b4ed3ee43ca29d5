"""Keeps outlines by the digest of the content that they were read from, across restarts."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from toolmesh_outlines.outline import EXTRACTOR_VERSION
from toolmesh_serving.cache_file import CacheFile, sealed, used_bytes

_QUERY_ROWS = 500
# How stale the time of last use may get before a read writes it: keeps most reads from writing.
_TOUCH_SECONDS = 6 * 3600
# What eviction leaves, as a part of the limit: so that not every write evicts.
_AFTER_EVICTION = 0.8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outlines (
  digest BLOB NOT NULL,
  language TEXT NOT NULL,
  outline BLOB NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (digest, language)
);
CREATE INDEX IF NOT EXISTS outlines_by_use ON outlines (used_at);
"""

OutlineKey = tuple[bytes, str]
"""A content's digest and the name of the language it was read in."""


class OutlineCache:
    """Encoded outlines in one file, bounded in size; the longest unused go first.

    All methods block, and may be called from any thread.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._file = CacheFile(path, schema=_SCHEMA, version=EXTRACTOR_VERSION)

    def get_many(self, keys: Iterable[OutlineKey]) -> dict[OutlineKey, bytes]:
        """Return the outlines that are known, by key."""
        rows: dict[OutlineKey, object] = {}
        languages: dict[bytes, set[str]] = {}
        for digest, language in keys:
            languages.setdefault(digest, set()).add(language)
        with self._file.working() as connection:
            # Compared by SQLite, which can compare whatever a damaged row has.
            stale_before = int(time.time()) - _TOUCH_SECONDS
            columns = f"digest, language, outline, used_at < {stale_before}"
            stale: list[tuple[bytes, str]] = []
            for digests in _chunks(languages, _QUERY_ROWS):
                marks = ",".join("?" * len(digests))
                query = f"SELECT {columns} FROM outlines WHERE digest IN ({marks})"  # noqa: S608 - no input
                for digest, language, outline, is_stale in connection.execute(query, digests):
                    if language in languages.get(digest, ()):
                        rows[digest, language] = outline
                        if is_stale:
                            stale.append((digest, language))
            if stale:
                self._touch(connection, stale)
        return self._file.intact(rows)

    def put_many(self, outlines: Mapping[OutlineKey, bytes]) -> None:
        """Keep outlines."""
        now = int(time.time())
        rows = [
            (digest, language, sealed(data), now) for (digest, language), data in outlines.items()
        ]
        with self._file.working() as connection:
            connection.executemany("INSERT OR REPLACE INTO outlines VALUES (?, ?, ?, ?)", rows)
            self._evict(connection)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _touch(self, connection: sqlite3.Connection, keys: list[OutlineKey]) -> None:
        now = int(time.time())
        connection.executemany(
            "UPDATE outlines SET used_at = ? WHERE digest = ? AND language = ?",
            [(now, *key) for key in keys],
        )

    def _evict(self, connection: sqlite3.Connection) -> None:
        used = used_bytes(connection)
        if used <= self._max_bytes:
            return
        (count,) = connection.execute("SELECT count(*) FROM outlines").fetchone()
        excess = 1 - self._max_bytes * _AFTER_EVICTION / used
        connection.execute(
            "DELETE FROM outlines WHERE rowid IN"
            " (SELECT rowid FROM outlines ORDER BY used_at LIMIT ?)",
            (int(count * excess) + 1,),
        )


def _chunks(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
