"""Keeps outlines by the digest of the content that they were read from, across restarts.

One SQLite file in WAL mode. Everything in it can be made again: a file that is damaged is replaced,
and a disk that is full costs speed alone.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import structlog

from toolmesh_outlines.outline import EXTRACTOR_VERSION

_log = structlog.get_logger(__name__)

_QUERY_ROWS = 500
# How stale the time of last use may get before a read writes it: keeps most reads from writing.
_TOUCH_SECONDS = 6 * 3600
# What eviction leaves, as a part of the limit: so that not every write evicts.
_AFTER_EVICTION = 0.8
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})

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
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection = self._open()

    def get_many(self, keys: Iterable[OutlineKey]) -> dict[OutlineKey, bytes]:
        """Return the outlines that are known, by key."""
        found: dict[OutlineKey, bytes] = {}
        languages: dict[bytes, set[str]] = {}
        for digest, language in keys:
            languages.setdefault(digest, set()).add(language)
        with self._working() as connection:
            stale_before = int(time.time()) - _TOUCH_SECONDS
            stale: list[tuple[bytes, str]] = []
            for digests in _chunks(languages, _QUERY_ROWS):
                marks = ",".join("?" * len(digests))
                query = f"SELECT * FROM outlines WHERE digest IN ({marks})"  # noqa: S608 - marks
                for digest, language, outline, used_at in connection.execute(query, digests):
                    if language in languages[digest]:
                        found[digest, language] = outline
                        if used_at < stale_before:
                            stale.append((digest, language))
            if stale:
                self._touch(connection, stale)
        return found

    def put_many(self, outlines: Mapping[OutlineKey, bytes]) -> None:
        """Keep outlines."""
        now = int(time.time())
        rows = [(digest, language, data, now) for (digest, language), data in outlines.items()]
        with self._working() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO outlines VALUES (?, ?, ?, ?)", rows)
            self._evict(connection)

    def drop(self, keys: Iterable[OutlineKey]) -> None:
        """Forget outlines, such as some that cannot be decoded."""
        with self._working() as connection, connection:
            connection.executemany(
                "DELETE FROM outlines WHERE digest = ? AND language = ?", list(keys)
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _working(self) -> Generator[sqlite3.Connection]:
        """Give the connection; what goes wrong in SQLite is logged, and never raised."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                _log.warning("repomap.cache_failed", path=str(self._path), error=str(error))
                if _is_damage(error):
                    self._connection.close()
                    self._remove()
                    self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _log.warning("repomap.cache_recreated", path=str(self._path), error=str(error))
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != EXTRACTOR_VERSION:
                connection.execute("DROP TABLE IF EXISTS outlines")
                connection.execute(f"PRAGMA user_version = {EXTRACTOR_VERSION}")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _touch(self, connection: sqlite3.Connection, keys: list[OutlineKey]) -> None:
        now = int(time.time())
        with connection:
            connection.executemany(
                "UPDATE outlines SET used_at = ? WHERE digest = ? AND language = ?",
                [(now, *key) for key in keys],
            )

    def _evict(self, connection: sqlite3.Connection) -> None:
        used = self._used_bytes(connection)
        if used <= self._max_bytes:
            return
        (count,) = connection.execute("SELECT count(*) FROM outlines").fetchone()
        excess = 1 - self._max_bytes * _AFTER_EVICTION / used
        connection.execute(
            "DELETE FROM outlines WHERE rowid IN"
            " (SELECT rowid FROM outlines ORDER BY used_at LIMIT ?)",
            (int(count * excess) + 1,),
        )

    def _used_bytes(self, connection: sqlite3.Connection) -> int:
        """Return how many bytes are in use; pages that are free get used before the file grows."""

        def pragma(name: str) -> int:
            (value,) = connection.execute(f"PRAGMA {name}").fetchone()
            return value

        return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte of an extended code is its kind.
    return code is not None and code & 0xFF in _DAMAGED


def _chunks(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
