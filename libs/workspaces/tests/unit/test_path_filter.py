"""Files are chosen by globs as in `.gitignore`."""

import pytest

from toolmesh_workspaces.path_filter import GlobInvalidError, PathFilter


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.py", "src/b.py", "src/tests/c.py", "d.js"]),
        (("*.py",), (), ["a.py", "src/b.py", "src/tests/c.py"]),
        (("src/**",), ("tests/",), ["src/b.py"]),
        (("/a.py", "*.js"), (), ["a.py", "d.js"]),
    ],
)
def test_globs_choose(include: list[str], exclude: list[str], expected: list[str]) -> None:
    """What is included counts, but for what is excluded."""
    paths = PathFilter(include=include, exclude=exclude)
    assert [p for p in ("a.py", "src/b.py", "src/tests/c.py", "d.js") if paths.has(p)] == expected
    assert paths.has_all == (not include and not exclude)


@pytest.mark.parametrize("glob", ["", " ", "# a", "!a"])
def test_a_glob_that_cannot_be_used_is_named(glob: str) -> None:
    """The field says which one it is."""
    with pytest.raises(GlobInvalidError) as caught:
        PathFilter(exclude=["ok", glob])
    assert caught.value.field == "exclude[1]"


def test_many_stars_take_no_time() -> None:
    """Backtracking over these would outlast any patience."""
    paths = PathFilter(include=["*a" * 30 + "b"])
    assert not paths.has("a" * 5_000)
