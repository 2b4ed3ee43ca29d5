"""Code is cut at lines, and a budget is divided fairly."""

from toolmesh_codesearch.hit_code import code_of, shares
from toolmesh_codesearch.units import Unit


def test_code_begins_with_its_comment() -> None:
    """The comment above a symbol is shown with it, and what is around is not."""
    unit = Unit("f", "function", 3, 4, 2)
    code = code_of(unit, b"x = 1\n# why\ndef f():\n    pass\ny = 2\n", ())
    assert (code.text, code.start_line, code.truncated) == ("# why\ndef f():\n    pass", 2, False)
    assert code.shortened(1).text == "# why"
    assert code.shortened(1).truncated


def test_long_code_begins_near_its_first_match() -> None:
    """What matches is shown, not line one of a thousand."""
    content = "\n".join(f"line {number}" for number in range(1, 1001)).encode()
    code = code_of(Unit("", "file", 1, 1000, 1), content, (600,))
    assert (code.start_line, code.lines[2], code.truncated) == (598, "line 600", True)


def test_very_long_lines_are_cut() -> None:
    """A line of data does not eat the whole answer, and that it was cut is said."""
    code = code_of(Unit("", "file", 1, 1, 1), b"x" * 10_000, ())
    assert len(code.text) < 500
    assert code.truncated
    assert not code_of(Unit("", "file", 1, 1, 1), b"x" * 400 + b"\r\n", ()).truncated


def test_a_budget_is_shared() -> None:
    """Small ones get all they need, and what they leave goes to the large ones."""
    assert shares([10, 100, 20, 100], 130) == [10, 50, 20, 50]
    assert shares([5, 5], 100) == [5, 5]
    assert shares([], 10) == []
    assert shares([7], -1) == [0]
