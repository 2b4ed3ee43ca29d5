"""Strings in arrays."""

import random

import numpy as np

from toolmesh_repomap.string_table import EMPTY, Interner, StringTable


def _texts(seed: int, count: int) -> list[str]:
    dice = random.Random(seed)
    letters = "abyzÀß变🙂_"
    drawn = ("".join(dice.choices(letters, k=dice.randrange(8))) for _ in range(count))
    return list(dict.fromkeys(drawn))


def test_finds_what_it_has_by_number_and_by_text() -> None:
    """Numbers follow the order of arrival, and what is not there is not found."""
    texts = _texts(1, 500)
    table = StringTable.of(texts)
    assert len(table) == len(texts)
    assert [table.find(text) for text in texts] == list(range(len(texts)))
    assert table.texts(range(len(texts))) == texts
    assert table.find("nothing like it") == -1
    assert EMPTY.find("") == -1


def test_grows_without_changing_numbers() -> None:
    """However much is added at once, old numbers stay and new ones follow."""
    texts = _texts(2, 3000)
    for first, second in ((850, 860), (10, 800), (0, 5), (100, 100)):
        table = StringTable.of(texts[:first]).extended(texts[first:second])
        assert [table.find(text) for text in texts[:second]] == list(range(second))
        assert all(table.find(text) == -1 for text in texts[second:])


def test_keeps_some_in_order() -> None:
    """What is kept is numbered anew as it came, and the rest is not found any more."""
    texts = _texts(3, 300)
    kept = np.array([len(text) % 3 > 0 for text in texts])
    some = [text for text, is_kept in zip(texts, kept, strict=True) if is_kept]
    table = StringTable.of(texts).only(kept)
    assert table.texts(range(len(table))) == some
    found = [table.find(text) for text in texts]
    assert [number for number in found if number >= 0] == list(range(len(some)))


def test_interns() -> None:
    """Known texts keep their numbers, new ones get the next, each once."""
    interner = Interner(StringTable.of(["b", "a"]))
    assert [interner[text] for text in ("a", "c", "b", "c", "", "")] == [1, 2, 0, 2, 3, 3]
    assert interner.finish().texts(range(4)) == ["b", "a", "c", ""]
