"""What is kept on disk comes back, leaves when it is not needed, and stays within its bounds."""

from pathlib import Path

import pytest

from toolmesh_codesearch import index_store
from toolmesh_codesearch.index_store import IndexStore, part_key
from toolmesh_codesearch.parts import SourceFile, make_parts
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline


def _part(text: str):
    return make_parts([SourceFile(text.encode(), "", Outline())], Vocabulary())[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store is."""
    return tmp_path / "index.sqlite"


def test_parts_outlive_the_service(path: Path) -> None:
    """A part is found again by its content and language after a restart, and by no other key."""
    made = _part("hello world")
    store = IndexStore(path, max_bytes=2**20)
    store.put_parts({part_key(b"d" * 32, "go"): made.part}, made.texts)
    store.close()
    again = IndexStore(path, max_bytes=2**20)
    keys = [part_key(b"d" * 32, "go"), part_key(b"d" * 32, "rust")]
    assert again.parts(keys) == {keys[0]: made.part}
    again.drop_parts(keys)
    assert again.parts(keys) == {}
    again.close()


def test_a_text_leaves_when_its_embedding_comes(path: Path) -> None:
    """And does not come back with another file that has the same text."""
    made = _part("hello world")
    store = IndexStore(path, max_bytes=2**20)
    store.put_parts({part_key(b"1" * 32, ""): made.part}, made.texts)
    (text_id,) = made.texts
    assert store.texts([text_id, 5]) == made.texts
    store.put_vectors({text_id: b"v"})
    store.put_parts({part_key(b"2" * 32, ""): made.part}, made.texts)
    assert store.texts([text_id]) == {}
    assert store.vectors([text_id, 5]) == {text_id: b"v"}
    store.close()


def test_a_store_stays_within_its_bounds(path: Path) -> None:
    """Old parts and embeddings go when there is too much."""
    store = IndexStore(path, max_bytes=2**20)
    keys = [part_key(number.to_bytes(32), "") for number in range(3000)]
    for number, key in enumerate(keys):
        made = _part(f"word{number} " * 40)
        store.put_parts({key: made.part}, made.texts)
    assert 0 < len(store.parts(keys)) < len(keys)
    store.close()


def test_embeddings_outlive_another_way_of_reading_code(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read anew when outlines come to say something else; what was embedded is not."""
    made = _part("hello world")
    (text_id,) = made.texts
    store = IndexStore(path, max_bytes=2**20)
    store.put_parts({part_key(b"d" * 32, "go"): made.part}, made.texts)
    store.put_vectors({text_id: b"v" * 384})
    monkeypatch.setattr(index_store, "_PART_MARK", b"another.")
    assert store.parts([part_key(b"d" * 32, "go")]) == {}
    assert store.vectors([text_id]) == {text_id: b"v" * 384}
    store.close()
