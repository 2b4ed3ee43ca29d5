"""What leans on what, and what that makes important."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.ranking import Ranker
from toolmesh_repomap.steering import steer

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]
Scores = Callable[..., dict[str, float]]
Edges = Callable[[Sequence[OutlinedFile]], list[tuple[str, str]]]


def _file(
    path: str,
    defines: str = "",
    uses: str = "",
    *,
    members: str = "",
    imports: str = "",
    language: str = "python",
    doc: str = "",
    is_generated: bool = False,
) -> OutlinedFile:
    """A file with classes (capitalised) and functions, the first with a comment, and uses."""
    definitions = tuple(
        Definition(
            name,
            Kind.CLASS if name[0].isupper() else Kind.FUNCTION,
            line,
            line,
            name,
            doc=doc if line == 1 else "",
        )
        for line, name in enumerate(defines.split(), 1)
    )
    return OutlinedFile(
        path,
        language,
        1,
        Outline(
            definitions=definitions,
            references={name: uses.split().count(name) for name in uses.split()},
            members={name: members.split().count(name) for name in members.split()},
            imports=tuple(imports.split()),
            is_generated=is_generated,
        ),
    )


@pytest.fixture
def scores_of(index_files: IndexFiles) -> Scores:
    """Ranks the definitions of files, known as `path:name`."""

    def scores_of(
        files: Sequence[OutlinedFile],
        focus: Sequence[str] = (),
        mentioned: Sequence[str] = (),
        question: str = "",
    ) -> dict[str, float]:
        index = index_files(files)
        steering = steer(
            index.corpus,
            index.graph,
            index.matcher,
            focus=[index.rows[path] for path in focus],
            mentioned=mentioned,
            question=question,
        )
        ranking = index.ranker.rank(steering)
        names = [f"{f.path}:{d.name}" for f in files for d in f.outline.definitions]
        assert np.isfinite(ranking.files).all()
        assert np.isfinite(ranking.definitions).all()
        return dict(zip(names, ranking.definitions.tolist(), strict=True))

    return scores_of


@pytest.fixture
def edges_of(index_files: IndexFiles) -> Edges:
    """Tells which file leans on which."""

    def edges_of(files: Sequence[OutlinedFile]) -> list[tuple[str, str]]:
        index = index_files(files)
        graph, paths = index.graph, index.corpus.paths
        return [
            (path, paths[graph.place_rows[place]])
            for row, path in enumerate(paths)
            for place in graph.edge_places[graph.edge_first[row] : graph.edge_first[row + 1]]
        ]

    return edges_of


def test_what_many_use_ranks_above_what_one_uses(scores_of: Scores) -> None:
    """A definition's score grows with the files that use it."""
    scores = scores_of(
        [
            _file("hub.py", "load_config"),
            _file("rare.py", "save_report"),
            *(_file(f"user{i}.py", "", "load_config") for i in range(5)),
            _file("last.py", "", "save_report"),
        ]
    )
    assert scores["hub.py:load_config"] > 2 * scores["rare.py:save_report"] > 0


def test_rank_flows_on(scores_of: Scores) -> None:
    """What an important file uses is more important than what an unimportant one uses."""
    scores = scores_of(
        [
            _file("base.py", "BaseStore"),
            _file("other.py", "OtherStore"),
            _file("hub.py", "open_store", "BaseStore"),
            _file("leaf.py", "leaf_store", "OtherStore"),
            *(_file(f"user{i}.py", "", "open_store") for i in range(5)),
        ]
    )
    assert scores["base.py:BaseStore"] > scores["other.py:OtherStore"]


def test_imports_tell_namesakes_apart(scores_of: Scores) -> None:
    """Of two definitions of one name, the imported one gets most of the weight."""
    scores = scores_of(
        [
            _file("a/store.py", "open"),
            _file("b/store.py", "open"),
            *(_file(f"user{i}.py", "", "open", imports="a/store a/store/open") for i in range(3)),
        ]
    )
    assert scores["a/store.py:open"] > 5 * scores["b/store.py:open"]


def test_names_of_the_standard_library_do_not_count(scores_of: Scores) -> None:
    """A method `append` of the project is not what everyone means who appends to a list."""
    scores = scores_of(
        [
            _file("lists.py", "append"),
            _file("hub.py", "connect"),
            *(_file(f"d{i}/user.py", "", members="append append append") for i in range(20)),
            *(_file(f"e{i}/user.py", "", "connect", imports="hub/connect") for i in range(2)),
        ]
    )
    assert scores["hub.py:connect"] > scores["lists.py:append"]


def test_a_name_that_stands_alone_is_no_method(edges_of: Edges) -> None:
    """`list` alone is not the method `list` of some class, where a receiver must be written."""
    method = OutlinedFile(
        "shop.py",
        "python",
        1,
        Outline(
            definitions=(
                Definition("Shop", Kind.CLASS, 1, 9, "class Shop"),
                Definition("list", Kind.METHOD, 2, 3, "def list(self)", 0),
            )
        ),
    )
    user = _file("user.py", "", "list", imports="shop")
    assert edges_of([method, user]) == []
    assert len(edges_of([method, _file("user.py", "", members="list")])) == 1


def test_languages_do_not_mix(edges_of: Edges) -> None:
    """A Python file does not use what a Go file defines."""
    assert edges_of([_file("a.go", "NewStore", language="go"), _file("b.py", "", "NewStore")]) == []


def test_own_names_stay_in_the_file(edges_of: Edges) -> None:
    """Uses of a name that the file defines itself are not uses of a namesake elsewhere."""
    assert edges_of([_file("a.py", "run_all"), _file("b.py", "run_all", "run_all")]) == []


def test_focus_raises_what_the_focus_uses(scores_of: Scores) -> None:
    """What a file in focus uses comes before what is used more elsewhere."""
    files = [
        _file("hub.py", "load_config"),
        _file("rare.py", "save_report"),
        *(_file(f"user{i}.py", "", "load_config") for i in range(5)),
        _file("last.py", "", "save_report"),
    ]
    scores = scores_of(files, focus=["last.py"])
    assert scores["rare.py:save_report"] > scores["hub.py:load_config"]


def test_mentions_raise_definitions_and_what_they_use(scores_of: Scores) -> None:
    """A mentioned definition comes first, and what its file uses follows."""
    files = [
        _file("hub.py", "load_config"),
        _file("rare.py", "save_report", "format_cell"),
        _file("cells.py", "format_cell"),
        *(_file(f"user{i}.py", "", "load_config") for i in range(5)),
    ]
    scores = scores_of(files, mentioned=["save_report", "no_such_name"])
    ordered = sorted(scores, key=lambda name: -scores[name])
    assert ordered == ["rare.py:save_report", "cells.py:format_cell", "hub.py:load_config"]


def test_a_question_raises_what_it_is_about(scores_of: Scores) -> None:
    """Words of names and paths lead there, whatever their endings; who has all comes first."""
    files = [
        _file("hub.py", "load_config"),
        _file("auth/checks.py", "validate_token refresh"),
        _file("auth/tokens.py", "make_token"),
        *(_file(f"user{i}.py", "", "load_config") for i in range(5)),
    ]
    scores = scores_of(files, question="Where are tokens validated?")
    ordered = sorted(scores, key=lambda name: -scores[name])
    assert ordered[:2] == ["auth/checks.py:validate_token", "auth/tokens.py:make_token"]


def test_a_question_finds_what_a_comment_says(scores_of: Scores) -> None:
    """Words that only a comment has lead to its definition, before others of the same file."""
    files = [
        _file("hub.py", "load_config"),
        _file("a.py", "grab run", doc="Reads credentials from the keyring."),
        *(_file(f"user{i}.py", "", "load_config") for i in range(5)),
    ]
    scores = scores_of(files, question="Where are credentials read?")
    ordered = sorted(scores, key=lambda name: -scores[name])
    assert ordered == ["a.py:grab", "a.py:run", "hub.py:load_config"]


def test_generated_code_stands_behind(scores_of: Scores) -> None:
    """What says of itself that a program wrote it ranks lower, and is not lost."""
    scores = scores_of(
        [
            _file("a.py", "make_basket"),
            _file("b.py", "make_wrapper", is_generated=True),
            _file("user.py", "", "make_basket make_wrapper"),
        ]
    )
    assert scores["a.py:make_basket"] > scores["b.py:make_wrapper"] > 0


@pytest.mark.parametrize(
    "question", ["", "where is it?", "???", "nothing known here", "the " * 2500]
)
def test_a_question_about_nothing_changes_nothing(scores_of: Scores, question: str) -> None:
    """Only stop words, unknown words or no words at all give the map that no question gives."""
    files = [_file("a.py", "first_thing", "second_thing"), _file("b.py", "second_thing")]
    assert scores_of(files, question=question) == scores_of(files)


def test_a_question_about_tests_finds_tests(scores_of: Scores) -> None:
    """Tests stand behind the code, unless the question asks for them."""
    files = [
        _file("shop/basket.py", "make_basket"),
        _file("tests/test_basket.py", "test_make_basket", "make_basket"),
    ]
    code, test = "shop/basket.py:make_basket", "tests/test_basket.py:test_make_basket"
    plain = scores_of(files, question="baskets")
    asked = scores_of(files, question="which tests cover baskets")
    assert plain[code] > plain[test] > 0
    assert asked[test] / asked[code] > plain[test] / plain[code]


def test_private_and_short_names_weigh_less(scores_of: Scores) -> None:
    """The form of a name says how telling its use is."""
    files = [
        _file("a.py", "_load_config load_config x"),
        *(_file(f"user{i}.py", "", "_load_config load_config x") for i in range(3)),
    ]
    scores = scores_of(files)
    assert scores["a.py:load_config"] > scores["a.py:x"] > 0
    assert scores["a.py:load_config"] > scores["a.py:_load_config"] > 0


def test_tests_stand_behind(scores_of: Scores) -> None:
    """What only tests define and use ranks below what the code itself uses as much."""
    scores = scores_of(
        [
            _file("shop/carts.py", "make_basket"),
            _file("tests/helpers.py", "make_fixture"),
            *(_file(f"shop/user{i}.py", "", "make_basket") for i in range(3)),
            *(_file(f"tests/test_{i}.py", "", "make_fixture") for i in range(3)),
        ]
    )
    assert scores["shop/carts.py:make_basket"] > 3 * scores["tests/helpers.py:make_fixture"]


def test_classes_take_in_their_members(scores_of: Scores) -> None:
    """A class is important when its methods are; its constructor follows the class."""
    store = OutlinedFile(
        "store.py",
        "python",
        1,
        Outline(
            definitions=(
                Definition("Store", Kind.CLASS, 1, 9, "class Store"),
                Definition("__init__", Kind.CONSTRUCTOR, 2, 3, "def __init__(self)", 0),
                Definition("find_one", Kind.METHOD, 4, 5, "def find_one(self)", 0),
                Definition("never_used", Kind.METHOD, 6, 7, "def never_used(self)", 0),
            )
        ),
    )
    scores = scores_of([store, _file("user.py", "", members="find_one find_one")])
    assert scores["store.py:Store"] > scores["store.py:__init__"] > scores["store.py:never_used"]
    assert scores["store.py:find_one"] > scores["store.py:__init__"]


def test_parents_that_never_end_are_followed_to_a_depth(index_files: IndexFiles) -> None:
    """What a class takes in from its members goes up a bounded number of levels."""
    deep = [Definition("A", Kind.CLASS, 1, 1, "class A", number - 1) for number in range(500)]
    index = index_files([OutlinedFile("deep.py", "python", 1, Outline(definitions=tuple(deep)))])
    parents = index.corpus.columns.definition_parent
    parents[0] = 0
    scores = Ranker(index.corpus, index.graph).rank(None).definitions
    assert np.isfinite(scores).all()


def test_common_names_count_only_where_imported(edges_of: Edges) -> None:
    """A name that more than twenty files define leads nowhere, unless an import says where."""
    definers = [_file(f"d{i}/store.py", "Handler") for i in range(25)]
    files = [*definers, _file("user.py", "", "Handler", imports="d7/store")]
    assert edges_of(files) == [("user.py", "d7/store.py")]
    assert edges_of([*definers, _file("user.py", "", "Handler")]) == []


@pytest.mark.parametrize(
    "files",
    [
        [],
        [_file("empty.py")],
        [_file("alone.py", "main", "main")],
        [
            _file("a.py", "first_thing", "second_thing"),
            _file("b.py", "second_thing", "first_thing"),
        ],
    ],
)
def test_degenerate_graphs(scores_of: Scores, files: list[OutlinedFile]) -> None:
    """No files, no definitions, no edges or only circles give finite scores."""
    scores = scores_of(files, mentioned=["main"], question="the main thing")
    assert len(scores) == sum(len(file.outline.definitions) for file in files)
