"""Files are chosen by globs as in `.gitignore`."""

import random

import pytest

from toolmesh_workspaces.path_filter import GlobInvalidError, PathFilter


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.py", "src/b.py", "src/tests/c.py", "d.js"]),
        (("*.py",), (), ["a.py", "src/b.py", "src/tests/c.py"]),
        (("src/**",), ("tests/",), ["src/b.py"]),
        (("/a.py", "*.js"), (), ["a.py", "d.js"]),
        (("./src/", "./a.py"), ("./src/tests",), ["a.py", "src/b.py"]),
        (("[ab].py", "[]d].js"), (), ["a.py", "src/b.py", "d.js"]),
    ],
)
def test_globs_choose(include: list[str], exclude: list[str], expected: list[str]) -> None:
    """What is included counts, but for what is excluded."""
    paths = PathFilter(include=include, exclude=exclude)
    assert [p for p in ("a.py", "src/b.py", "src/tests/c.py", "d.js") if paths.has(p)] == expected
    assert paths.has_all == (not include and not exclude)


@pytest.mark.parametrize("glob", ["", " ", ".", "./", "/", "# a", "!a", "[", "a[b", "x/[!"])
def test_a_glob_that_cannot_be_used_is_named(glob: str) -> None:
    """The field says which one it is."""
    with pytest.raises(GlobInvalidError) as caught:
        PathFilter(exclude=["ok", glob])
    assert caught.value.field == "exclude[1]"


def test_many_stars_take_no_time() -> None:
    """Backtracking over these would outlast any patience."""
    paths = PathFilter(include=["*a" * 30 + "b"])
    assert not paths.has("a" * 5_000)


def test_globs_too_large_together_are_named() -> None:
    """The glob is named with which they are too many, over both fields, and what to do is said."""
    globs = [f"{'*a' * 400}{index}" for index in range(20)]
    with pytest.raises(GlobInvalidError, match="fewer or shorter") as caught:
        PathFilter(include=globs)
    assert caught.value.field == "include[4]"
    with pytest.raises(GlobInvalidError) as caught:
        PathFilter(include=globs[:3], exclude=globs[3:])
    assert caught.value.field == "exclude[1]"


def test_many_plain_globs_can_be_used() -> None:
    """A hundred paths of ordinary length fit."""
    globs = [f"services/some_service/src/package_of_it/a_longer_name_{i:03}.py" for i in range(100)]
    paths = PathFilter(include=globs, exclude=["tests/", "*.md"])
    assert paths.has(globs[99])
    assert not paths.has("services/other.py")


def test_matching_that_takes_too_long_is_given_up() -> None:
    """Globs for which the engine needs a new state for each character end with the field named."""
    paths = PathFilter(exclude=[f"*a{'?' * 60}{digit}" for digit in range(10)])
    letters = random.Random(1)
    made = ["".join(letters.choices("ab", k=300)) for _ in range(5_000)]
    with pytest.raises(GlobInvalidError, match="too long") as caught:
        all(paths.has(path) for path in made)
    assert caught.value.field == "exclude"


def test_ordinary_matching_never_takes_too_long() -> None:
    """The limit grows with the paths."""
    paths = PathFilter(include=[f"*.kind{number}" for number in range(100)])
    assert sum(paths.has(f"folder/file{number}.kind7") for number in range(50_000)) == 50_000
