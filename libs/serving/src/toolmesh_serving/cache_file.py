"""A SQLite file for what can be made again: losing it costs time alone.

It is in WAL mode, and private, for what is kept quotes code. One that is damaged, or was written by
another version, is replaced by an empty one, and a disk that is full costs speed alone: nothing
that goes wrong in SQLite is raised once the file is open. SQLite does not notice when a row's
content changes by itself: what is `sealed` tells.
"""

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Generator, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import structlog

from toolmesh_serving.private_files import make_private, make_private_folder

_log = structlog.get_logger(__name__)

_Key = TypeVar("_Key", bound=Hashable)

_SEAL_BYTES = 4
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


class CacheFile:
    """One connection to one file, used by one thread at a time.

    Args:
        path: the file; its folder is made. Only the service's user can read them.
        schema: SQL that makes the tables and indexes, and may be run again.
        version: counted up whenever what is in the tables changes its meaning.

    Raises:
        OSError: the folder cannot be made.
        sqlite3.Error: the file cannot be opened, for another reason than its content.
    """

    def __init__(self, path: Path, *, schema: str, version: int) -> None:
        self._path = path
        self._schema = schema
        self._version = version
        self._lock = threading.Lock()
        self._connection = self._open()

    @contextlib.contextmanager
    def working(self) -> Generator[sqlite3.Connection]:
        """Give the connection, in a transaction; what fails in SQLite is logged, never raised."""
        with self._lock:
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.DatabaseError as error:
                _log.warning("cache.failed", path=str(self._path), error=str(error))
                if _is_damage(error):
                    self._connection.close()
                    self._remove()
                    self._connection = self._open()

    def intact(self, rows: Mapping[_Key, object], *, bare_bytes: int = -1) -> dict[_Key, bytes]:
        """Return what was `sealed` of rows, by key; those that are damaged are left out and logged.

        A row of `bare_bytes` is from before there were seals, and is taken as it is.
        """
        found: dict[_Key, bytes] = {}
        for key, row in rows.items():
            if isinstance(row, bytes):
                content = row[:-_SEAL_BYTES]
                if zlib.crc32(content).to_bytes(_SEAL_BYTES) == row[-_SEAL_BYTES:]:
                    found[key] = content
                elif len(row) == bare_bytes:
                    found[key] = row
        if damaged_count := len(rows) - len(found):
            _log.warning("cache.rows_damaged", path=str(self._path), row_count=damaged_count)
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _log.warning("cache.recreated", path=str(self._path), error=str(error))
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        make_private_folder(self._path.parent)
        connection = self._connection_to_file()
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, self._version):
                connection.close()
                self._remove()
                connection = self._connection_to_file()
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA user_version = {self._version}")
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connection_to_file(self) -> sqlite3.Connection:
        make_private(self._path)
        # SQLite gives those that it makes the mode of the file; these may be there from before.
        for file in filter(Path.exists, self._files()[1:]):
            make_private(file)
        return sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)

    def _remove(self) -> None:
        for file in self._files():
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [self._path.with_name(self._path.name + end) for end in ("", "-wal", "-shm")]


def sealed(content: bytes) -> bytes:
    """Return what to put into a row, so that damage to it is found: the content and its CRC-32."""
    return content + zlib.crc32(content).to_bytes(_SEAL_BYTES)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes a file's content has; free pages get used before the file grows."""

    def pragma(name: str) -> int:
        (value,) = connection.execute(f"PRAGMA {name}").fetchone()
        return value

    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte of an extended code is its kind.
    return code is not None and code & 0xFF in _DAMAGED
