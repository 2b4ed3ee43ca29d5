"""Indexes of trees whose files were edited, beside those of a first look at the same trees."""

import random
from collections.abc import Callable

import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.definition_search import NameQuestion, search_definitions
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.reference_search import search_uses
from toolmesh_repomap.selection import TokenCounter, select
from toolmesh_repomap.steering import steer
from toolmesh_serving.tokens import count_tokens

IndexFiles = Callable[..., SnapshotIndex]

_VERBS = ("load", "store", "merge", "parse", "sort")
_NOUNS = ("user", "users", "cart", "tax", "price", "shop", "loader", "page")
_NAMES = [f"{verb}_{noun}" for verb in _VERBS for noun in _NOUNS]
_QUESTIONS = ("load the users of a cart", "parse price", "merging taxes into pages: sort_tax")


def _drawn(path: str, names: list[str], dice: random.Random) -> OutlinedFile:
    """Return a file that defines, uses and imports something."""
    definitions = tuple(
        Definition(name, Kind.FUNCTION, line, line, f"def {name}()", doc=f"Like {other}.")
        for line, (name, other) in enumerate(
            zip(dice.sample(names, 3), dice.sample(names, 3), strict=True), 1
        )
    )
    outline = Outline(
        definitions=definitions,
        references={name: dice.randrange(1, 5) for name in dice.sample(names, 4)},
        members={name: dice.randrange(1, 5) for name in dice.sample(names, 3)},
        imports=tuple(f"{dice.choice(_NOUNS)}/m{dice.randrange(9)}" for _ in range(3)),
    )
    return OutlinedFile(path, "python", 1, outline)


def _similar(index: SnapshotIndex, name: str) -> tuple[object, ...]:
    """What an index says to a name that it may not have."""
    return tuple(
        (search_uses(index, question).similar, search_definitions(index, question).similar)
        for question in (
            NameQuestion(name),
            NameQuestion(name[:-1]),
            NameQuestion(name.upper(), ignore_case=True),
        )
    )


def _relevance(index: SnapshotIndex, question: str) -> tuple[object, ...]:
    """How much each file and each definition has to do with a question."""
    corpus, relevance = index.corpus, index.matcher.match(question)
    rows = dict(zip(corpus.paths, relevance.rows.round(9).tolist(), strict=True))
    definitions = [
        (corpus.paths[row], corpus.name(symbol), round(score, 9))
        for row, symbol, score in zip(
            corpus.columns.definition_row.tolist(),
            corpus.columns.definition_symbol.tolist(),
            relevance.definitions.tolist(),
            strict=True,
        )
    ]
    return rows, definitions


def _map(index: SnapshotIndex, question: str) -> str:
    """A map that has room for a part of the tree."""
    steering = steer(index.corpus, index.graph, index.matcher, question=question)
    return select(
        index.corpus,
        index.ranker.rank(steering),
        index.text_layout,
        max_tokens=150,
        counter=TokenCounter(count_tokens),
    ).text


def _sizes(index: SnapshotIndex) -> tuple[int, ...]:
    """How much an index keeps of what files do not say themselves."""
    corpus, links = index.corpus, index.links
    tables = (corpus.symbols, corpus.import_paths, corpus.words)
    return (*map(len, tables), len(corpus.symbol_word), len(links.first), len(links.files))


@pytest.mark.parametrize("seed", range(8))
def test_names_that_are_gone_say_nothing(index_files: IndexFiles, seed: int) -> None:
    """Names that a tree had count no more for what is like a name, for questions and for maps."""
    dice = random.Random(seed)
    names = list(_NAMES)
    paths = [f"{noun}/m{number}.py" for noun in _NOUNS[:4] for number in range(3)]
    files = [_drawn(path, names, dice) for path in paths]
    index = index_files(files)
    for _ in range(3):
        gone = dice.sample(names, 8)
        names = [name for name in names if name not in gone]
        for place, file in enumerate(files):
            outline = file.outline
            said = {each.name for each in outline.definitions} | {*outline.references}
            if not said.isdisjoint(gone) or not outline.members.keys().isdisjoint(gone):
                files[place] = _drawn(file.path, names, dice)
        if dice.random() < 0.3:
            files[0] = _drawn(f"page/{dice.choice(gone)}.py", names, dice)
        index, fresh = index_files(files, index), index_files(files)
        for name in gone:
            assert _similar(index, name) == _similar(fresh, name)
        for question in _QUESTIONS:
            assert _relevance(index, question) == _relevance(fresh, question)
            assert _map(index, question) == _map(fresh, question)


def test_a_renamed_function_is_the_only_one(index_files: IndexFiles) -> None:
    """When a name is replaced everywhere, who asks for it or like it hears of the new one."""

    def tree(name: str) -> list[OutlinedFile]:
        defined = Definition(name, Kind.FUNCTION, 1, 1, f"def {name}()")
        return [
            OutlinedFile("a.py", "python", 1, Outline(definitions=(defined,))),
            OutlinedFile("b.py", "python", 1, Outline(references={name: 1})),
        ]

    index = index_files(tree("load_users"), index_files(tree("load_user")))
    for name in ("load_user", "load_use"):
        assert search_uses(index, NameQuestion(name)).similar == ("load_users",)
    assert index.matcher.match("load the user").definitions.tolist() == [1.0]


def test_of_equally_similar_names_the_same_are_told(index_files: IndexFiles) -> None:
    """Which of many names that are as much alike are told does not depend on which came last."""
    names = [f"load_{letter}{digit}_page" for letter in "abcdefgh" for digit in range(10)]
    files = [
        OutlinedFile(f"{name}.py", "python", 1, Outline(references={name: 1})) for name in names
    ]
    before = OutlinedFile(files[0].path, "python", 1, Outline())
    for index in (index_files(files), index_files(files, index_files([before, *files[1:]]))):
        similar = search_uses(index, NameQuestion("load_page")).similar
        assert similar == tuple(names[:5])


def test_names_that_differ_in_case_keep_their_order(index_files: IndexFiles) -> None:
    """Of a file that uses both, the answer tells the same one first whichever came last."""

    def tree(*names: str) -> list[OutlinedFile]:
        return [OutlinedFile("a.py", "python", 1, Outline(references=dict.fromkeys(names, 1)))]

    after = tree("Page", "page")
    for index in (index_files(after), index_files(after, index_files(tree("page")))):
        files = search_uses(index, NameQuestion("page", ignore_case=True)).files
        assert [index.corpus.name(file.symbol) for file in files] == ["Page", "page"]


def test_edit_after_edit_an_index_keeps_what_a_new_one_has(index_files: IndexFiles) -> None:
    """Names, words, imports and what those mean do not pile up from edit to edit."""
    dice = random.Random(5)
    files = [_drawn(f"{noun}/m{n}.py", _NAMES, dice) for noun in _NOUNS[:4] for n in range(5)]
    index = index_files(files)
    for turn in range(60):
        outline = Outline(
            definitions=tuple(
                Definition(f"made_{turn}_w{line}x", Kind.FUNCTION, line, line, "def made()")
                for line in range(1, 51)
            ),
            imports=(f"lost/m{turn}", f"../{dice.choice(_NOUNS)}/m1", f"m{turn % 9}"),
        )
        files[turn % 3] = OutlinedFile(files[turn % 3].path, "python", 1, outline)
        index = index_files(files, index)
    assert _sizes(index) == _sizes(index_files(files))
