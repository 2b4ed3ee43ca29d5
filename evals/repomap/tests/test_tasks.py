"""Tasks drawn from a real history that the test makes."""

import subprocess
from pathlib import Path

import pytest

from evals.repomap.docstrings import hide_docstrings
from evals.repomap.repositories import TUNING, Clone, Repository
from evals.repomap.source_text import defined_name, is_definition, is_product_source
from evals.repomap.tasks import base_and_tasks, masked

_BEFORE = "def first():\n    return 1\n\n\ndef second():\n    return 2\n"
_AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def _make_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def _commit(folder: Path, message: str, files: dict[str, str]) -> str:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git = ("git", "-C", str(folder), *_AUTHOR)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", message], check=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


async def test_a_commit_becomes_a_task_with_what_it_changed(tmp_path: Path) -> None:
    """The message without paths is the question; changed files and functions are the answer."""
    _make_repository(tmp_path)
    base = _commit(tmp_path, "Begin", {"src/numbers.py": _BEFORE, "README.md": "x"})
    _commit(tmp_path, "Only prose is changed here", {"README.md": "y"})
    _commit(tmp_path, "Add one more file to the lot", {"src/more.py": "x = 1\n"})
    head = _commit(
        tmp_path,
        "Let second() in src/numbers.py return three (#12)\n\nReviewed-by: a <a@example.org>",
        {"src/numbers.py": _BEFORE.replace("2", "3"), "tests/test_numbers.py": "x = 1\n"},
    )
    repository = Repository("r", "Python", "", head, TUNING)
    found, tasks = await base_and_tasks(Clone(repository, tmp_path), count=9, seed=1)
    assert found == base
    (task,) = tasks
    assert task.text.split() == ["Let", "second()", "in", "return", "three"]
    assert task.files == ("src/numbers.py",)
    assert task.symbols == (("src/numbers.py", "second"),)


def test_masking_leaves_words_and_names() -> None:
    """Only what names a file is taken out."""
    text = masked("fix(core): x.y in `a/b.py`, read/write\n\nSee https://x.org/a GH-3", {"b.py"})
    assert text == "fix(core): x.y in\n\nSee"


async def test_a_hidden_comment_is_gone_from_the_tree(tmp_path: Path) -> None:
    """The text is not in the tree any more, and the code still has as many lines."""
    comment = "/// Counts every sheep that jumps over the old fence at night.\n"
    code = f"{comment}pub fn count_sheep() {{}}\n"
    (tmp_path / "farm.rs").write_text(code)
    (task,) = hide_docstrings(tmp_path, count=5, seed=1)
    assert task.text == "Counts every sheep that jumps over the old fence at night."
    assert task.symbols == (("farm.rs", "count_sheep"),)
    left = (tmp_path / "farm.rs").read_text()
    assert "sheep that" not in left
    assert left.count("\n") == code.count("\n")


async def test_a_hidden_docstring_leaves_code_that_parses(tmp_path: Path) -> None:
    """A function whose body is its docstring still has one; its own name is not in the text."""
    docstring = "With count_sheep every sheep\n    is counted at night.\n\n    More.\n    "
    code = f'def count_sheep():\n    """{docstring}"""\n'
    (tmp_path / "farm.py").write_text(code)
    (task,) = hide_docstrings(tmp_path, count=5, seed=1)
    assert task.text == "With it every sheep is counted at night."
    compile((tmp_path / "farm.py").read_text(), "farm.py", "exec")


@pytest.mark.parametrize(
    ("line", "language", "name"),
    [
        ("async def run(self):", "python", "run"),
        ("func (s *Server) Close() error {", "golang", "Close"),
        ("    pub(crate) async fn poll_next(&mut self) {", "rust", "poll_next"),
        ("export default class Router extends Base {", "script", "Router"),
        ("  async resolve(id: string) {", "script", "resolve"),
        ("  public static <T> List<T> of(T item) {", "java", "of"),
        ("robj *createObject(int type, void *ptr) {", "cpp", "createObject"),
    ],
)
def test_definitions_are_told_by_their_lines(line: str, language: str, name: str) -> None:
    """Each language's usual forms are seen, and named."""
    assert is_definition(line, language)
    assert defined_name(line) == name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/_pytest/main.py", True),
        ("testing/test_main.py", False),
        ("tsdb/head_test.go", False),
        ("packages/vite/src/node/config.ts", True),
        ("packages/vite/src/node/__tests__/config.spec.ts", False),
        ("README.md", False),
    ],
)
def test_only_the_product_counts(path: str, expected: bool) -> None:
    """Tests and prose are no right answers."""
    assert is_product_source(path) is expected
