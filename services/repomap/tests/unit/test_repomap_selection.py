"""What a map shows, how it is written, and that it keeps to its budget."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from toolmesh_outlines.outline import MAX_DEPTH, Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.ranking import Ranking
from toolmesh_repomap.selection import CountTokens, Selection, TokenCounter, select
from toolmesh_repomap.text_layout import TextLayout
from toolmesh_serving.tokens import count_tokens

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]


def _source(path: str, *definitions: Definition, language: str = "python") -> OutlinedFile:
    return OutlinedFile(path, language, 1, Outline(definitions=definitions))


def _others(*paths: str) -> list[OutlinedFile]:
    return [_source(path, language="") for path in paths]


def _draw(
    index: SnapshotIndex, ranking: Ranking, max_tokens: int, count: CountTokens = count_tokens
) -> Selection:
    return select(
        index.corpus,
        ranking,
        TextLayout(index.corpus),
        max_tokens=max_tokens,
        counter=TokenCounter(count),
    )


def test_tokens_counted_line_by_line_are_those_of_the_whole_text() -> None:
    """Whatever blanks and signs stand at the ends of lines."""
    drawn = random.Random(7)
    words = ["a", "Foo", "é", "1", "234", "'s", ":", "(", "{", "\\", "_", "日本", "😀", "\u200b"]
    blanks = ["\n", "\n\n", "\r", " ", "  ", "\t", "\xa0", "\x1c", "\u2028", "\x85", "\x0b", "\x0c"]
    parts = [*words, *blanks, "\n"]
    counter = TokenCounter(count_tokens)
    for _ in range(30_000):
        text = "".join(drawn.choices(parts, k=drawn.randrange(1, 14)))
        assert counter.count(text) == count_tokens(text), text


def _shop() -> list[OutlinedFile]:
    return [
        _source(
            "cart.py",
            Definition("Cart", Kind.CLASS, 3, 40, "class Cart(Base)"),
            Definition("add", Kind.METHOD, 10, 12, "def add(self, item)", 0),
            Definition("Meta", Kind.CLASS, 20, 30, "class Meta", 0),
            Definition("label", Kind.METHOD, 101, 105, "def label(self)", 2),
        ),
        _source("empty.py"),
        _source("money.py", Definition("zero", Kind.FUNCTION, 1, 2, "def zero()")),
    ]


def _ranking(files: list[float], definitions: list[float]) -> Ranking:
    return Ranking(files=np.array(files), definitions=np.array(definitions))


def _random_tree(
    seed: int, file_count: int, other_count: int
) -> tuple[list[OutlinedFile], Ranking]:
    """A tree with names of many scripts, long headers and deep nesting, and files without code."""
    dice = random.Random(seed)
    words = ["alpha", "größe", "变量", "naïve_x", "λ", "HTTPServer2", "🙂", "<|endoftext|>", " "]
    files: list[OutlinedFile] = []
    for number in range(file_count):
        definitions: list[Definition] = []
        for index in range(dice.randrange(12)):
            name = "".join(dice.choices(words, k=dice.randrange(1, 12)))
            parent = dice.randrange(-1, index) if index else -1
            line = 1 + index * dice.randrange(1, 40)
            definitions.append(Definition(name, Kind.CLASS, line, line, f"def {name}()", parent))
        path = f"src/{'/'.join(dice.choices(words[:4], k=2))}/file{number}.py"
        files.append(_source(path, *definitions))
    files += _others(*(f"data/größe-{number}.bin" for number in range(other_count)))
    scores = [dice.random() for file in files for _ in file.outline.definitions]
    return files, _ranking([dice.random() for _ in files], scores)


def test_layout(index_files: IndexFiles) -> None:
    """Files by importance, definitions in line order under their headers, plain paths last."""
    index = index_files([*_shop(), *_others("docs/guide.md", "README.md")])
    drawn = _draw(index, _ranking([0.2, 0.0, 0.5, 0.0, 0.0], [0.1, 0.2, 0.0, 0.3, 0.5]), 1000)
    assert drawn.text == (
        "money.py:\n"
        "1 def zero()\n"
        "\n"
        "cart.py:\n"
        "  3 class Cart(Base)\n"
        " 10   def add(self, item)\n"
        " 20   class Meta\n"
        "101     def label(self)\n"
        "\n"
        "README.md\n"
        "empty.py\n"
        "docs/guide.md"
    )
    assert drawn.token_count == count_tokens(drawn.text)
    assert drawn.shown.file_count == 5
    assert not drawn.shown.truncated


def test_the_best_definition_brings_its_headers(index_files: IndexFiles) -> None:
    """A method is shown under the classes around it, even when those score nothing."""
    ranking = _ranking([1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0])
    drawn = _draw(index_files(_shop()), ranking, 24)
    assert drawn.text == (
        "cart.py:\n  3 class Cart(Base)\n 20   class Meta\n101     def label(self)"
    )
    assert drawn.shown.truncated
    assert (drawn.shown.left_out_definitions, drawn.shown.left_out_files) == (2, 2)


def test_says_what_is_left_out(index_files: IndexFiles) -> None:
    """The last line counts what a map has no room for."""
    files, ranking = _random_tree(7, 25, 40)
    drawn = _draw(index_files(files), ranking, 400)
    shown = drawn.text.count("\n") - 2 * len(drawn.shown.definitions)
    assert drawn.shown.left_out_files == 65 - drawn.shown.file_count
    assert drawn.shown.left_out_definitions == len(ranking.definitions) - shown
    assert drawn.text.endswith(
        f"\n\nLeft out: {drawn.shown.left_out_definitions} definitions,"
        f" {drawn.shown.left_out_files} files."
    )


def test_a_line_that_defines_several_names_is_shown_once(index_files: IndexFiles) -> None:
    """Two names on one line are one line of the map, and neither is left out."""
    definitions = [Definition(name, Kind.CONSTANT, 7, 7, "const A, B = 1, 2") for name in "AB"]
    index = index_files([_source("a.go", *definitions, language="go")])
    drawn = _draw(index, _ranking([1.0], [0.5, 0.4]), 100)
    assert drawn.text == "a.go:\n7 const A, B = 1, 2"
    assert not drawn.shown.truncated


@pytest.mark.parametrize("seed", range(12))
def test_never_over_the_budget(index_files: IndexFiles, seed: int) -> None:
    """Whatever the names are made of, the whole text has at most the tokens that were asked for."""
    files, ranking = _random_tree(seed, 25, 40)
    index = index_files(files)
    whole = _draw(index, ranking, 10**6)
    assert not whole.shown.truncated
    assert whole.shown.file_count == len(files)
    budgets = [1, 2, 3, 5, 8, 13, 40, 100, 333, 1000, whole.token_count - 1, whole.token_count]
    for max_tokens in budgets:
        drawn = _draw(index, ranking, max_tokens)
        assert drawn.token_count == count_tokens(drawn.text) <= max_tokens
        assert drawn.shown.truncated == (drawn.text != whole.text)
        if 300 <= max_tokens < whole.token_count:
            assert drawn.token_count > 0.8 * max_tokens


def test_keeps_the_budget_when_the_whole_costs_more_than_its_lines(
    index_files: IndexFiles,
) -> None:
    """With a tokenizer that spends much on the empty lines between files, nothing is over."""

    def count(text: str) -> int:
        return len(text) + 100 * text.count("\n\n")

    files, ranking = _random_tree(5, 25, 40)
    index = index_files(files)
    for max_tokens in (10, 100, 1000, 3000, 8000):
        drawn = _draw(index, ranking, max_tokens, count)
        assert drawn.token_count == count(drawn.text) <= max_tokens
        assert drawn.shown.truncated


def test_a_budget_of_one_shows_nothing_rather_than_half_a_line(index_files: IndexFiles) -> None:
    """Nothing fits into one token, and the answer says that something was left out."""
    files, ranking = _random_tree(1, 3, 1)
    drawn = _draw(index_files(files), ranking, 1)
    assert (drawn.text, drawn.token_count) == ("", 0)
    assert (drawn.shown.file_count, drawn.shown.left_out_files) == (0, 4)


def test_deep_nesting_leaves_room_for_what_is_in_it(index_files: IndexFiles) -> None:
    """What is nested as deep as outlines tell comes with 64 headers, which are shown once."""
    deep = [
        Definition("A", Kind.MODULE, line, 9_999, "module A", min(line - 2, MAX_DEPTH - 1))
        for line in range(1, 3000)
    ]
    index = index_files([_source("deep.py", *deep)])
    assert [len(index.corpus.around(number)) for number in (0, 1, 64, 65, 2_998)] == [
        0,
        1,
        64,
        64,
        64,
    ]
    drawn = _draw(index, index.ranker.rank(None), 4096)
    assert 2048 < drawn.token_count <= 4096


def test_an_empty_tree_has_an_empty_map(index_files: IndexFiles) -> None:
    """No files at all: nothing to show, and nothing left out."""
    drawn = _draw(index_files([]), _ranking([], []), 10)
    assert (drawn.text, drawn.token_count, drawn.shown.truncated) == ("", 0, False)


def test_more_budget_never_shows_fewer_files(index_files: IndexFiles) -> None:
    """A larger budget shows what a smaller one did, roughly: never fewer files by much."""
    files, ranking = _random_tree(3, 60, 0)
    index = index_files(files)
    shown = [_draw(index, ranking, budget).shown.file_count for budget in range(50, 3000, 150)]
    assert all(after >= before - 2 for before, after in pairwise(shown))
