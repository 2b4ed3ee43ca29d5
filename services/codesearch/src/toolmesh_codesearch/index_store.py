"""Keeps on disk what indexes are made of: parts by content, texts to embed, and embeddings.

Losing it costs time alone. What was not used for longest goes first. A text leaves when its
embedding comes; the two are known by the text's digest.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from toolmesh_codesearch.parts import PART_VERSION, FilePart, decode_part, encode_part
from toolmesh_codesearch.unit_texts import TEXT_VERSION
from toolmesh_outlines.outline import EXTRACTOR_VERSION
from toolmesh_serving.cache_file import CacheFile, used_bytes

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", int, bytes)

_QUERY_ROWS = 500
# How stale the time of last use may get before a read writes it: keeps most reads from writing.
_TOUCH_SECONDS = 6 * 3600
_AFTER_EVICTION = 0.8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (
  key BLOB PRIMARY KEY, part BLOB NOT NULL, used_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS vectors (
  id INTEGER PRIMARY KEY, vector BLOB NOT NULL, used_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS parts_by_use ON parts (used_at);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used_at);
"""
# Parts of other versions are never asked for again, and go in time; embeddings of texts that are
# still the same stay, for they are what takes long to make.
_PART_MARK = f"{PART_VERSION}.{EXTRACTOR_VERSION}.".encode()

PartKey = bytes
"""A content's digest, the name of its language, and how parts are made of it now."""


def part_key(digest: bytes, language: str) -> PartKey:
    """Return the key of the part of a content in a language."""
    return _PART_MARK + digest + language.encode()


class IndexStore:
    """Parts, texts and embeddings in one file, bounded in size.

    All methods block, and may be called from any thread.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._file = CacheFile(path, schema=_SCHEMA, version=TEXT_VERSION)

    def parts(self, keys: Iterable[PartKey]) -> dict[PartKey, FilePart]:
        """Return the parts that are known."""
        rows = self._rows("parts", "key", "part", keys)
        found: dict[PartKey, FilePart] = {}
        for key, data in rows.items():
            try:
                found[key] = decode_part(data)
            except ValueError:
                continue
        return found

    def put_parts(self, parts: Mapping[PartKey, FilePart], texts: Mapping[int, str]) -> None:
        """Keep parts, and those of their texts that have no embedding yet."""
        now = int(time.time())
        rows = [(key, encode_part(part), now) for key, part in parts.items()]
        with self._file.working() as connection:
            connection.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", rows)
            connection.executemany(
                "INSERT OR IGNORE INTO texts SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE id = ?1)",
                list(texts.items()),
            )
            self._evict(connection)

    def drop_parts(self, keys: Iterable[PartKey]) -> None:
        """Forget parts."""
        with self._file.working() as connection:
            connection.executemany("DELETE FROM parts WHERE key = ?", [(key,) for key in keys])

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the texts that are known of those that have no embedding."""
        found: dict[int, str] = {}
        with self._file.working() as connection:
            for chunk in _chunks(ids, _QUERY_ROWS):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT id, text FROM texts WHERE id IN ({marks})"  # noqa: S608 - marks
                found.update(connection.execute(query, chunk))
        return found

    def vectors(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the embeddings that are known."""
        return self._rows("vectors", "id", "vector", ids)

    def put_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Keep embeddings; their texts are not needed any more."""
        now = int(time.time())
        rows = [(each, vector, now) for each, vector in vectors.items()]
        with self._file.working() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            connection.executemany("DELETE FROM texts WHERE id = ?", [(each,) for each in vectors])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self, table: str, key: str, value: str, keys: Iterable[_Key]) -> dict[_Key, bytes]:
        found: dict[_Key, bytes] = {}
        stale: list[tuple[_Key]] = []
        now = int(time.time())
        with self._file.working() as connection:
            for chunk in _chunks(keys, _QUERY_ROWS):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT {key}, {value}, used_at FROM {table} WHERE {key} IN ({marks})"  # noqa: S608 - no input
                for each, data, used_at in connection.execute(query, chunk):
                    found[each] = data
                    if used_at < now - _TOUCH_SECONDS:
                        stale.append((each,))
            if stale:
                touch = f"UPDATE {table} SET used_at = {now} WHERE {key} = ?"  # noqa: S608 - no input
                connection.executemany(touch, stale)
        return found

    def _evict(self, connection: sqlite3.Connection) -> None:
        used = used_bytes(connection)
        if used <= self._max_bytes:
            return
        excess = 1 - self._max_bytes * _AFTER_EVICTION / used
        for table in ("parts", "vectors"):
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - no input
            connection.execute(
                f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608 - no input
                f" (SELECT rowid FROM {table} ORDER BY used_at LIMIT ?)",
                (int(count * excess) + 1,),
            )


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
