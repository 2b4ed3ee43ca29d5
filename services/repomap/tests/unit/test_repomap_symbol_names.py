"""Which symbols a question names, and which are like it."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.similar_texts import most_similar
from toolmesh_repomap.symbol_names import QualifiedName, read_name, similar_names, symbols_of

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]


@pytest.mark.parametrize(
    ("text", "name", "qualifiers"),
    [
        ("open", "open", ()),
        (" Cart.add() ", "add", ("Cart",)),
        ("shop::Cart::add", "add", ("shop", "Cart")),
        ("Cart#add", "add", ("Cart",)),
        ("App\\Shop\\Cart", "Cart", ("App", "Shop")),
        ("shop/cart.add", "add", ("shop", "cart")),
        ("self->add", "add", ("self",)),
        (".", ".", ()),
        ("", "", ()),
    ],
)
def test_names_are_read_as_any_language_writes_them(
    text: str, name: str, qualifiers: tuple[str, ...]
) -> None:
    """What stands before the last separator says what the definition stands in."""
    assert read_name(text) == QualifiedName(name, qualifiers)


@pytest.fixture
def index(index_files: IndexFiles) -> SnapshotIndex:
    """Two languages that have a name in common, and one that differs in case alone."""

    def file(path: str, language: str, *names: str) -> OutlinedFile:
        definitions = tuple(
            Definition(name, Kind.FUNCTION, line, line, f"def {name}")
            for line, name in enumerate(names, 1)
        )
        return OutlinedFile(path, language, 1, Outline(definitions=definitions))

    return index_files(
        [
            file("a.py", "python", "fetch_all", "FETCH_ALL", "größe", "x"),
            file("b.go", "go", "fetch_all", "fetchOne"),
        ]
    )


@pytest.mark.parametrize(
    ("name", "ignore_case", "found"),
    [
        ("fetch_all", False, ["fetch_all", "fetch_all"]),
        ("fetch_all", True, ["FETCH_ALL", "fetch_all", "fetch_all"]),
        ("FETCHONE", True, ["fetchOne"]),
        ("FETCHONE", False, []),
        ("GRößE", True, ["größe"]),
        ("X", True, ["x"]),
        ("fetch", True, []),
        ("", True, []),
    ],
)
def test_symbols_of_a_name(
    index: SnapshotIndex, name: str, ignore_case: bool, found: list[str]
) -> None:
    """A name has a symbol in every family of languages; case counts only when it should."""
    symbols = symbols_of(index.corpus, name, ignore_case=ignore_case)
    assert sorted(map(index.corpus.name, symbols)) == found


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("fetch_al", ["FETCH_ALL", "fetch_all", "fetchOne"]),
        ("fetchone", ["fetchOne"]),
        ("grösse", ["größe"]),
        ("unrelated", []),
        ("", []),
        ("f", []),
    ],
)
def test_similar_names(index: SnapshotIndex, name: str, similar: list[str]) -> None:
    """The names most like one that is not there are told, each once, and none that is unlike it."""
    among = np.ones(len(index.corpus.symbols), dtype=bool)
    assert similar_names(index.corpus, name, among) == similar


def test_similar_names_are_among_those_that_count(index: SnapshotIndex) -> None:
    """A symbol that does not count is not told."""
    among = np.zeros(len(index.corpus.symbols), dtype=bool)
    among[symbols_of(index.corpus, "fetchOne", ignore_case=False)] = True
    assert similar_names(index.corpus, "fetch", among) == ["fetchOne"]


def test_texts_are_alike_whatever_stands_beside_them() -> None:
    """Letters are no pair when one ends a text and the other begins the next."""
    texts = ["ab", "cd"]
    similar = most_similar(
        "bc", b"abcd", np.array([0, 2, 4]), text_of=texts.__getitem__, most=5, least_ratio=0.0
    )
    assert similar == []


def test_an_empty_tree_has_no_names(index_files: IndexFiles) -> None:
    """A tree without files has nothing to find and nothing like it."""
    corpus = index_files([]).corpus
    assert symbols_of(corpus, "a", ignore_case=True) == []
    assert similar_names(corpus, "abc", np.zeros(0, dtype=bool)) == []
