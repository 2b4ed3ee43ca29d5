"""Requests of every kind against one tree: budgets are kept, and nothing fails."""

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.paths import Role
from toolmesh_repomap.selection import TokenCounter, select
from toolmesh_repomap.steering import steer
from toolmesh_repomap.structured_layout import MapFile, StructuredLayout
from toolmesh_repomap.text_layout import TextLayout
from toolmesh_serving.tokens import count_tokens

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]

_WORDS = [
    *("load", "save", "token", "cache", "user", "größe", "变量", "parse", "HTTP", "node"),
    *("graph", "query", "test", "_private", "x"),
]
_KINDS = [Kind.CLASS, Kind.FUNCTION, Kind.METHOD, Kind.CONSTANT, Kind.CONSTRUCTOR]


def _name(dice: random.Random) -> str:
    return dice.choice(["_", ""]).join(dice.choices(_WORDS, k=dice.randrange(1, 4)))


def _outline(dice: random.Random) -> Outline:
    definitions: list[Definition] = []
    for index in range(dice.randrange(15)):
        name = _name(dice)
        parent = dice.randrange(-1, index) if index and dice.random() < 0.6 else -1
        line = index * 7 + 1
        signature = f"def {name}({', '.join(_name(dice) for _ in range(dice.randrange(6)))})"
        definitions.append(Definition(name, dice.choice(_KINDS), line, line + 5, signature, parent))
    uses = {_name(dice): dice.randrange(1, 9) for _ in range(dice.randrange(20))}
    members = {_name(dice): 1 for _ in range(dice.randrange(20))}
    return Outline(tuple(definitions), uses, members)


@pytest.fixture
def index(index_files: IndexFiles) -> SnapshotIndex:
    """A tree of 150 files with all roles and some files that are no code."""
    dice = random.Random(7)
    folders = ["src", "tests", "vendor/lib", "docs", "pkg/generated", "src/größe"]
    files = [
        OutlinedFile(
            f"{dice.choice(folders)}/{_name(dice)}{number}.py", "python", 9, _outline(dice)
        )
        for number in range(120)
    ]
    files += [OutlinedFile(f"data/{n}-{_name(dice)}.bin", "", 9, Outline()) for n in range(30)]
    return index_files(files)


def test_a_thousand_random_requests_keep_their_budgets(index: SnapshotIndex) -> None:
    """Whatever is asked in either view, the answer has at most the tokens that it may have."""
    dice = random.Random(11)
    corpus, counter = index.corpus, TokenCounter(count_tokens)
    for _ in range(1000):
        ranking = index.ranker.rank(
            steer(
                corpus,
                index.graph,
                index.matcher,
                focus=dice.sample(range(corpus.file_count), dice.choice([0, 0, 1, 5])),
                mentioned=[_name(dice) for _ in range(dice.choice([0, 0, 3]))],
                question=" ".join(dice.choices(_WORDS, k=dice.choice([0, 3, 30]))),
            )
        )
        max_tokens = int(2 ** dice.uniform(0, 14))
        layout = dice.choice([TextLayout(corpus), StructuredLayout(index, ranking)])
        drawn = select(corpus, ranking, layout, max_tokens=max_tokens, counter=counter)
        assert drawn.token_count == count_tokens(drawn.text) <= max_tokens
        if max_tokens > 500 and drawn.shown.truncated:
            assert drawn.token_count > 0.75 * max_tokens


def test_the_structured_view_says_what_the_text_says(index: SnapshotIndex) -> None:
    """The same files and definitions, with what only messages can hold."""
    corpus, ranking = index.corpus, index.ranker.rank()
    counter = TokenCounter(count_tokens)
    layout = StructuredLayout(index, ranking)
    drawn = select(corpus, ranking, layout, max_tokens=10**6, counter=counter)
    assert not drawn.shown.truncated
    files = layout.files(drawn.shown)
    assert msgspec.json.decode(drawn.text, type=list[MapFile]) == files
    assert {file.path for file in files} == set(corpus.paths)
    assert {file.role for file in files} == {f"FILE_ROLE_{role.name}" for role in Role}
    assert max(file.rank for file in files) == 1
    assert [file.rank for file in files if file.symbols] == sorted(
        (file.rank for file in files if file.symbols), reverse=True
    )
    symbols = [symbol for file in files for symbol in file.symbols]
    assert len(symbols) == index.definition_count
    assert max(symbol.rank for symbol in symbols) == 1
    assert sum(file.used_by_file_count for file in files) == sum(
        file.uses_file_count for file in files
    )
    assert any(symbol.used_by_file_count for symbol in symbols)


def test_containers_and_counts(index_files: IndexFiles) -> None:
    """A symbol tells what it stands in, and how many files use it, each once."""
    inner = (
        Definition("Cart", Kind.CLASS, 1, 9, "class Cart"),
        Definition("Meta", Kind.CLASS, 2, 8, "class Meta", 0),
        Definition("sum_items", Kind.METHOD, 3, 7, "def sum_items(self)", 1),
    )
    uses = Outline((), {"Cart": 2}, {"sum_items": 1, "Cart": 1})
    users = [OutlinedFile(f"user{number}.py", "python", 9, uses) for number in range(3)]
    index = index_files([OutlinedFile("cart.py", "python", 9, Outline(inner)), *users])
    ranking = index.ranker.rank()
    layout = StructuredLayout(index, ranking)
    drawn = select(
        index.corpus, ranking, layout, max_tokens=10**6, counter=TokenCounter(count_tokens)
    )
    cart, *others = layout.files(drawn.shown)
    assert (cart.path, cart.language, cart.used_by_file_count, cart.uses_file_count) == (
        "cart.py",
        "python",
        3,
        0,
    )
    assert [(s.container, s.kind, s.used_by_file_count) for s in cart.symbols] == [
        ("", "class", 3),
        ("Cart", "class", 0),
        ("Cart.Meta", "method", 3),
    ]
    assert [(file.uses_file_count, file.symbols) for file in others] == [(1, ())] * 3


def test_ten_thousand_mentioned_names(index: SnapshotIndex) -> None:
    """Names that are nowhere change nothing, however many they are."""
    name = index.corpus.name(index.corpus.columns.definition_symbol.item(0))
    known = steer(index.corpus, index.graph, None, mentioned=[name])
    names = [f"nowhere_{number}" for number in range(9999)]
    many = steer(index.corpus, index.graph, None, mentioned=[*names, name])
    assert steer(index.corpus, index.graph, None, mentioned=names) is None
    assert known is not None
    assert many is not None
    first, second = index.ranker.rank(known), index.ranker.rank(many)
    assert first.definitions.tolist() == second.definitions.tolist()
