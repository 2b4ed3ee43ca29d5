"""Which files a workspace's own ignore file leaves out."""

import time

import pytest

from toolmesh_semgrep.selection import Selection


@pytest.mark.parametrize("bad", ["[z-a].txt", "a\\", "!", "/", "\\", "[[:foo:]", "***a[b-a]"])
@pytest.mark.parametrize("place", range(5))
def test_a_line_that_cannot_be_used_is_left_out_alone(bad: str, place: int) -> None:
    """Wherever it stands, the others count, those that take something back too."""
    lines = ["vendor/", "*.min.js", "!keep.min.js", "/docs"]
    lines.insert(place, bad)
    selection = Selection(ignored="\n".join(lines))
    paths = ["vendor/a.py", "a.min.js", "x/keep.min.js", "docs/a.py", "x/docs/a.py", "a.py"]
    assert [path for path in paths if selection.has(path)] == [
        "x/keep.min.js", "x/docs/a.py", "a.py",
    ]  # fmt: skip


def test_an_ignore_file_may_be_long() -> None:
    """Ten thousand lines are more than the engine of globs takes at once, and count all."""
    begun = time.process_time()
    lines = [f"folder{number}/*.py" for number in range(5_000)]
    selection = Selection(ignored="\n".join((*lines, *["[z-a]"] * 5_000, "!folder7/*.py")))
    assert not selection.has("folder0/a.py")
    assert not selection.has("folder4999/a.py")
    assert selection.has("folder5000/a.py")
    assert selection.has("folder7/a.py")
    assert time.process_time() - begun < 20
