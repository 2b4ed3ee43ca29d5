"""Which definitions a name has, and which of them each use probably means."""

import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from toolmesh_outlines.outline import Definition, Kind, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.definition_search import NameQuestion, search_definitions
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.reference_search import Basis, search_uses

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]


def _file(
    path: str,
    *signatures: str,
    name: str = "run",
    uses: int = 0,
    imports: str = "",
    language: str = "python",
    inside: str = "",
) -> OutlinedFile:
    """A file that defines `name` by each signature, all of them inside of something or nothing."""
    outer = (Definition(inside, Kind.CLASS, 1, 9, inside),) if inside else ()
    inner = (
        Definition(name, Kind.FUNCTION, line, line, signature, len(outer) - 1)
        for line, signature in enumerate(signatures, 2)
    )
    outline = Outline(
        definitions=(*outer, *inner),
        references={name: uses} if uses else {},
        imports=tuple(imports.split()),
    )
    return OutlinedFile(path, language, 1, outline)


def _definitions(index: SnapshotIndex, name: str) -> list[str]:
    found = search_definitions(index, NameQuestion(name)).definitions
    return [index.corpus.paths[index.corpus.row_of(definition)] for definition in found]


@pytest.mark.parametrize(
    ("file", "qualified"),
    [
        (_file("a.go", "func (j *Job[K]) run()", language="go"), "Job.run"),
        (_file("a.go", "func (j Job) run()", language="go"), "Job.run"),
        (_file("a.cpp", "Status Job::run(int x)", language="cpp"), "Job::run"),
        (_file("a.cpp", "T Job<T>::run(run::Of x)", language="cpp"), "Job::run"),
        (_file("a.cpp", "Job::Job(int x)", name="Job", language="cpp"), "Job::Job"),
        (_file("a.kt", "fun Job.run(): Int", language="kotlin"), "Job.run"),
        (_file("a.lua", "function Job:run()", language="lua"), "Job.run"),
        (_file("a.rs", "fn run(&self)", inside="Job<'a>", language="rust"), "Job::run"),
        (_file("job/__init__.py", "def run()"), "job.run"),
        (_file("src/job.py", "def run()"), "job.run"),
        (_file("src/job/impl/x.py", "def run()"), "job.x.run"),
    ],
)
def test_qualifiers_in_every_language(
    index_files: IndexFiles, file: OutlinedFile, qualified: str
) -> None:
    """The qualifier is what encloses the definition, its receiver, its file or its folders."""
    # The name of another type in its parameters is no qualifier.
    other = _file("z.go", "func run(x job.run)", "func run(x Job)", language=file.language)
    other = OutlinedFile(f"other.{file.path.split('.')[-1]}", *_rest(other))
    index = index_files([file, other])
    assert _definitions(index, qualified) == [file.path]


def _rest(file: OutlinedFile) -> tuple[str, int, Outline]:
    return file.language, file.size_bytes, file.outline


def test_a_tight_reading_of_qualifiers_hides_loose_ones(index_files: IndexFiles) -> None:
    """Where qualifiers name what is directly around, what is further away does not count."""
    index = index_files(
        [_file("db/query.py", "def run()"), _file("db/models/x.py", "def run()", inside="Set")]
    )
    assert _definitions(index, "db.query.run") == ["db/query.py"]
    assert _definitions(index, "db.Set.run") == ["db/models/x.py"]
    assert _definitions(index, "db.run") == ["db/query.py", "db/models/x.py"]
    assert _definitions(index, "Set.query.run") == []


def test_the_most_used_definition_comes_first(index_files: IndexFiles) -> None:
    """Uses decide among code; tests and generated code come last, however much they are used."""
    index = index_files(
        [
            _file("a/quiet.py", "def run()"),
            _file("b/loud.py", "def run()"),
            _file("c_pb2.py", "def run()"),
            _file("tests/x.py", "def run()"),
            _file("user.py", name="run", uses=1, imports="b/loud"),
            *(_file(f"tests/test_{part}.py", uses=2, imports="tests/x c_pb2") for part in range(3)),
        ]
    )
    assert _definitions(index, "run") == ["b/loud.py", "a/quiet.py", "tests/x.py", "c_pb2.py"]


def _uses(
    index: SnapshotIndex, name: str = "run", definition: str = ""
) -> list[tuple[str, str, list[str]]]:
    row = index.rows[definition] if definition else None
    return [
        (
            index.corpus.paths[file.row],
            file.basis.name,
            [index.corpus.paths[meant] for meant in file.meant_rows],
        )
        for file in search_uses(index, NameQuestion(name), row).files
    ]


_TREE = (
    _file("jobs/run.py", "def run()", uses=1),
    _file("jobs/near.py", uses=9),
    _file("tasks/__init__.py", imports="tasks/impl"),
    _file("tasks/impl.py", "def run()", inside="Task"),
    _file("app/direct.py", uses=1, imports="jobs/run"),
    _file("app/often.py", uses=5, imports="jobs/run"),
    _file("app/package.py", uses=2, imports="tasks"),
    _file("app/unclear.py", uses=7),
    _file("tests/test_run.py", uses=8, imports="jobs/run"),
    _file("app/other.go", uses=3, language="go"),
)


def test_what_uses_mean(index_files: IndexFiles) -> None:
    """Imports tell most, also those of a package that passes a name on; then files and folders."""
    assert _uses(index_files(_TREE)) == [
        ("app/often.py", "IMPORT", ["jobs/run.py"]),
        ("app/package.py", "IMPORT", ["tasks/impl.py"]),
        ("app/direct.py", "IMPORT", ["jobs/run.py"]),
        ("tests/test_run.py", "IMPORT", ["jobs/run.py"]),
        ("jobs/run.py", "SAME_FILE", ["jobs/run.py"]),
        ("jobs/near.py", "SAME_FOLDER", ["jobs/run.py"]),
        ("app/unclear.py", "NAME", []),
        ("app/other.go", "NAME", []),
    ]


def test_uses_of_one_definition(index_files: IndexFiles) -> None:
    """A file or a qualifier leaves out what probably means another definition."""
    index = index_files(_TREE)
    expected = [
        ("app/package.py", "IMPORT", ["tasks/impl.py"]),
        ("app/unclear.py", "NAME", []),
        ("app/other.go", "NAME", []),
    ]
    assert _uses(index, definition="tasks/impl.py") == expected
    assert _uses(index, name="Task.run") == expected


def test_the_only_definition_is_meant(index_files: IndexFiles) -> None:
    """Without any relation, a use means the only definition that there is."""
    index = index_files([_file("a/run.py", "def run()"), _file("b/user.py", uses=1)])
    assert _uses(index) == [("b/user.py", "NAME", ["a/run.py"])]


def test_names_that_are_defined_elsewhere(index_files: IndexFiles) -> None:
    """A name that only a library defines has uses all the same."""
    index = index_files([_file("a.py", name="requests", uses=3)])
    assert _uses(index, name="requests") == [("a.py", "NAME", [])]
    assert search_uses(index, NameQuestion("request")).similar == ("requests",)


def _alike(count: int, names: int) -> list[OutlinedFile]:
    """Folders that have a file of the same end each, and one that imports many names from that."""
    taken = " ".join(f"a/part/n{number}" for number in range(names))
    return [
        file
        for number in range(count)
        for file in (
            _file(f"d{number}/a/part.py", "def run()"),
            _file(f"d{number}/m.py", uses=1, imports=taken),
        )
    ]


@pytest.mark.parametrize(("count", "meant"), [(200, 200), (201, 0)])
def test_what_means_hundreds_of_files_tells_nothing(
    index_files: IndexFiles, count: int, meant: int
) -> None:
    """An import of one of up to 200 files tells which; of more, no definition is told."""
    found = search_uses(index_files(_alike(count, 2)), NameQuestion("run")).files
    assert {file.basis for file in found} == {Basis.IMPORT}
    assert {len(file.meant_rows) for file in found} == {meant}


def test_many_names_from_many_files_that_may_be_meant(index_files: IndexFiles) -> None:
    """The memory does not grow with the product of users, names and files."""
    index = index_files(_alike(400, 40))
    tracemalloc.start()
    try:
        assert len(search_uses(index, NameQuestion("run")).files) == 400
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_an_empty_tree(index_files: IndexFiles) -> None:
    """A tree without files has neither definitions nor uses."""
    index = index_files([])
    assert search_definitions(index, NameQuestion("a")).definitions == ()
    assert search_uses(index, NameQuestion("a")).files == ()
