"""How a map is written, and that it keeps to its budget."""

import random
from itertools import pairwise

import numpy as np
import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_repomap.ranking import Ranking
from toolmesh_repomap.reference_graph import SourceFile
from toolmesh_repomap.rendering import render_map
from toolmesh_serving.tokens import count_tokens


def _shop() -> list[SourceFile]:
    cart = (
        Definition("Cart", Kind.CLASS, 3, 40, "class Cart(Base)"),
        Definition("add", Kind.METHOD, 10, 12, "def add(self, item)", 0),
        Definition("Meta", Kind.CLASS, 20, 30, "class Meta", 0),
        Definition("label", Kind.METHOD, 101, 105, "def label(self)", 2),
    )
    money = (Definition("zero", Kind.FUNCTION, 1, 2, "def zero()"),)
    return [
        SourceFile("cart.py", "python", Outline(definitions=cart)),
        SourceFile("empty.py", "python", Outline()),
        SourceFile("money.py", "python", Outline(definitions=money)),
    ]


def _ranking(files: list[float], definitions: list[float]) -> Ranking:
    return Ranking(files=np.array(files), definitions=np.array(definitions))


def _random_tree(seed: int, file_count: int) -> tuple[list[SourceFile], Ranking]:
    """A tree with names of many scripts, long headers and deep nesting."""
    dice = random.Random(seed)
    words = ["alpha", "größe", "变量", "naïve_x", "λ", "HTTPServer2", "🙂", "<|endoftext|>", " "]
    files: list[SourceFile] = []
    for number in range(file_count):
        definitions: list[Definition] = []
        for index in range(dice.randrange(12)):
            name = "".join(dice.choices(words, k=dice.randrange(1, 12)))
            parent = dice.randrange(-1, index) if index else -1
            line = 1 + index * dice.randrange(1, 40)
            definitions.append(Definition(name, Kind.CLASS, line, line, f"def {name}()", parent))
        path = f"src/{'/'.join(dice.choices(words[:4], k=2))}/file{number}.py"
        files.append(SourceFile(path, "python", Outline(definitions=tuple(definitions))))
    scores = [dice.random() for file in files for _ in file.outline.definitions]
    return files, _ranking([dice.random() for _ in files], scores)


def test_layout() -> None:
    """Files by importance, definitions in line order under their headers, plain paths last."""
    rendered = render_map(
        _shop(),
        ["docs/guide.md", "README.md"],
        _ranking([0.2, 0.0, 0.5], [0.1, 0.2, 0.0, 0.3, 0.5]),
        max_tokens=1000,
        count_tokens=count_tokens,
    )
    assert rendered.text == (
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
    assert rendered.token_count == count_tokens(rendered.text)
    assert rendered.shown_file_count == 5
    assert not rendered.truncated


def test_the_best_definition_brings_its_headers() -> None:
    """A method is shown under the classes around it, even when those score nothing."""
    ranking = _ranking([1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0])
    rendered = render_map(_shop(), [], ranking, max_tokens=24, count_tokens=count_tokens)
    assert rendered.text == (
        "cart.py:\n  3 class Cart(Base)\n 20   class Meta\n101     def label(self)"
    )
    assert rendered.truncated
    assert rendered.shown_file_count == 1


def test_a_line_that_defines_several_names_is_shown_once() -> None:
    """Two names on one line are one line of the map."""
    definitions = tuple(
        Definition(name, Kind.CONSTANT, 7, 7, "const A, B = 1, 2") for name in ("A", "B")
    )
    files = [SourceFile("a.go", "go", Outline(definitions=definitions))]
    ranking = _ranking([1.0], [0.5, 0.4])
    rendered = render_map(files, [], ranking, max_tokens=100, count_tokens=count_tokens)
    assert rendered.text == "a.go:\n7 const A, B = 1, 2"


@pytest.mark.parametrize("seed", range(12))
def test_never_over_the_budget(seed: int) -> None:
    """Whatever the names are made of, the whole text has at most the tokens that were asked for."""
    files, ranking = _random_tree(seed, file_count=25)
    others = [f"data/größe-{number}.bin" for number in range(40)]
    whole = render_map(files, others, ranking, max_tokens=10**6, count_tokens=count_tokens)
    assert not whole.truncated
    assert whole.shown_file_count == len(files) + len(others)
    budgets = [1, 2, 3, 5, 8, 13, 40, 100, 333, 1000, whole.token_count - 1, whole.token_count]
    for max_tokens in budgets:
        rendered = render_map(
            files, others, ranking, max_tokens=max_tokens, count_tokens=count_tokens
        )
        assert rendered.token_count == count_tokens(rendered.text) <= max_tokens
        assert rendered.truncated == (rendered.text != whole.text)
        if 100 <= max_tokens < whole.token_count:
            assert rendered.token_count > 0.8 * max_tokens


def test_keeps_the_budget_when_the_whole_costs_more_than_its_lines() -> None:
    """With a tokenizer that spends more on joined lines than on single ones, nothing is over."""

    def count(text: str) -> int:
        return len(text) + 7 * text.count("\n") ** 2 // 3

    files, ranking = _random_tree(5, file_count=25)
    others = [f"data/{number}.bin" for number in range(40)]
    for max_tokens in (10, 100, 1000, 10_000, 50_000):
        rendered = render_map(files, others, ranking, max_tokens=max_tokens, count_tokens=count)
        assert rendered.token_count == count(rendered.text) <= max_tokens
        assert rendered.truncated


def test_a_budget_of_one_shows_nothing_rather_than_half_a_line() -> None:
    """Nothing fits into one token, and the answer says that something was left out."""
    files, ranking = _random_tree(1, file_count=3)
    rendered = render_map(files, ["a"], ranking, max_tokens=1, count_tokens=count_tokens)
    assert rendered.text == ""
    assert rendered.token_count == 0
    assert rendered.shown_file_count == 0
    assert rendered.truncated


def test_an_empty_tree_has_an_empty_map() -> None:
    """No files at all: nothing to show, and nothing left out."""
    rendered = render_map([], [], _ranking([], []), max_tokens=10, count_tokens=count_tokens)
    assert (rendered.text, rendered.token_count, rendered.truncated) == ("", 0, False)


def test_more_budget_never_shows_fewer_files() -> None:
    """A larger budget shows what a smaller one did, roughly: never fewer files by much."""
    files, ranking = _random_tree(3, file_count=60)
    shown = [
        render_map(
            files, [], ranking, max_tokens=budget, count_tokens=count_tokens
        ).shown_file_count
        for budget in range(50, 3000, 150)
    ]
    assert all(after >= before - 2 for before, after in pairwise(shown))
