"""Graphs that are made from those of the tree before an edit."""

import gc
import random
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import fields

import numpy as np

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.reference_graph import ReferenceGraph, build_graph

_NAMES = [f"name_{number}" for number in range(40)]
_KINDS = (Kind.FUNCTION, Kind.METHOD, Kind.CLASS, Kind.VARIABLE, Kind.CONSTRUCTOR)


def _drawn(path: str, dice: random.Random) -> OutlinedFile:
    """Return a file that defines, uses and imports something."""

    def some(most: int) -> list[str]:
        return dice.sample(_NAMES, dice.randrange(most))

    # With the next edit of the file, the new ones are gone.
    new = [f"new_{dice.randrange(10**9)}" for _ in range(dice.randrange(4))]
    definitions = tuple(
        Definition(name, dice.choice(_KINDS), line, line, name)
        for line, name in enumerate([*some(6), *new], 1)
    )
    outline = Outline(
        definitions=definitions,
        references={name: dice.randrange(1, 5) for name in some(15)},
        members={name: dice.randrange(1, 5) for name in some(10)},
        imports=tuple(f"pkg{dice.randrange(3)}/m{dice.randrange(12)}" for _ in range(3)),
    )
    return OutlinedFile(path, "go" if path.endswith(".go") else "python", 1, outline)


def _assert_equal(graph: ReferenceGraph, expected: ReferenceGraph) -> None:
    for field in fields(ReferenceGraph):
        if field.name != "readings":
            found, wanted = getattr(graph, field.name), getattr(expected, field.name)
            assert np.array_equal(found, wanted), field.name


def test_an_edit_gives_the_graph_that_a_new_index_has(
    index_files: Callable[..., SnapshotIndex],
) -> None:
    """Edit after edit, what is carried over and what is looked up make the whole, to the bit."""
    dice = random.Random(7)
    paths = [f"pkg{number % 3}/m{number}.{'go' if number % 4 else 'py'}" for number in range(36)]
    files = [_drawn(path, dice) for path in paths]
    index = index_files(files)
    for count in (1, 1, 0, 2, 1, 5, 36, 1, 3):
        for place in dice.sample(range(len(files)), count):
            files[place] = _drawn(paths[place], dice)
        index = index_files(files, index)
        assert len(index.graph.edge_places) > 100
        _assert_equal(index.graph, build_graph(index.corpus, index.links))


def test_other_files_are_no_base(index_files: Callable[..., SnapshotIndex]) -> None:
    """When a file comes or goes, the graph is that of the new files."""
    dice = random.Random(8)
    files = [_drawn(f"pkg{number % 3}/m{number}.py", dice) for number in range(12)]
    index = index_files(files)
    for changed in (files[1:], [*files, _drawn("pkg1/new.py", dice)]):
        made = index_files(changed, index)
        _assert_equal(made.graph, build_graph(made.corpus, made.links))


def test_many_imports_of_what_many_files_may_be(
    index_files: Callable[..., SnapshotIndex],
) -> None:
    """The memory does not grow with the product of files, their imports and what those may mean."""
    one = (Definition("one", Kind.FUNCTION, 1, 1, "one"),)
    imports = tuple(f"a/part/name_{number}" for number in range(40))
    using = Outline(references={"one": 1}, imports=imports)
    files = [OutlinedFile("z.py", "python", 1, Outline(definitions=one))]
    for number in range(500):
        files.append(OutlinedFile(f"d{number}/a/part.py", "python", 1, Outline()))
        files.append(OutlinedFile(f"d{number}/m.py", "python", 1, using))
    index = index_files(files)
    tracemalloc.start()
    try:
        graph = build_graph(index.corpus, index.links)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(graph.edge_places) == 500
    assert peak < 30_000_000


def test_an_index_holds_nothing_of_what_it_was_made_from(
    index_files: Callable[..., SnapshotIndex],
) -> None:
    """The index before, and all that made the new one, go without the garbage collector."""
    dice = random.Random(3)
    files = [_drawn(f"m{number}.py", dice) for number in range(9)]
    before = index_files(files)
    new = Definition("another", Kind.FUNCTION, 1, 1, "another", doc="Says another thing.")
    edited = OutlinedFile(files[0].path, "python", 1, Outline(definitions=(new,)))
    gc.disable()
    try:
        after = index_files([edited, *files[1:]], before)
        names = weakref.ref(before.corpus.symbols.order)
        del before
        assert after.corpus.symbols_named("another")
        assert names() is None
    finally:
        gc.enable()
