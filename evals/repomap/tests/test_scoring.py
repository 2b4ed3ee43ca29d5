"""What counts as shown, and how sure a difference is."""

import pytest

from evals.repomap.scoring import interval, macro_mean, score, shown
from evals.repomap.tasks import Task

_PATHS = {"a/one.py", "b/two.go", "c/three.rs"}
_OURS = """a/one.py:
 1 class Amount
 2   def plus_tax(self, rate)

b/two.go:
 7 func Add(a int)
"""
_AIDERS = """
a/one.py:
⋮
│class Amount:
│    def plus_tax(self, rate):
⋮

b/two.go
"""
_TASK = Task(
    id="1",
    kind="commit",
    text="tax",
    files=("a/one.py", "c/three.rs"),
    symbols=(("a/one.py", "plus_tax"), ("a/one.py", "tax"), ("b/two.go", "plus_tax")),
)


@pytest.mark.parametrize("text", [_OURS, _AIDERS])
def test_files_are_found_in_maps_of_either_form(text: str) -> None:
    """A path before a colon is a file, and so is one alone on its line."""
    assert set(shown(text, _PATHS)) == {"a/one.py", "b/two.go"}


@pytest.mark.parametrize("text", [_OURS, _AIDERS])
def test_what_matters_is_counted_in_the_right_file(text: str) -> None:
    """A symbol counts as a whole word, and only where its own file is shown."""
    result = score(_TASK, text, paths=_PATHS, token_count=9)
    assert result.files == pytest.approx(1 / 2)
    assert result.symbols == pytest.approx(1 / 3)


def test_a_task_without_symbols_has_no_score_for_them() -> None:
    """Nothing to find is neither success nor failure."""
    task = Task("1", "commit", "tax", ("a/one.py",), ())
    assert score(task, _OURS, paths=_PATHS, token_count=9).symbols is None


def test_each_repository_counts_the_same() -> None:
    """Many tasks of one repository do not outweigh few of another."""
    assert macro_mean({"a": [1.0] * 99, "b": [0.0]}) == pytest.approx(0.5)


def test_the_interval_holds_the_mean_and_narrows_with_more_tasks() -> None:
    """What is drawn from more is surer."""
    few = interval({"a": [0.0, 1.0] * 5}, seed=1)
    many = interval({"a": [0.0, 1.0] * 500}, seed=1)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
