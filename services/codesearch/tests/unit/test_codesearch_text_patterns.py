"""Exact text and regular expressions, and what is refused."""

import time

import pytest

from toolmesh_codesearch.errors import RegexInvalid, SearchInvalid
from toolmesh_codesearch.text_patterns import TextPattern

_LATER = float("inf")


def _lines(
    text: str, content: str, *, is_regex: bool = True, ignore_case: bool = False
) -> list[int]:
    pattern = TextPattern(text, is_regex=is_regex, ignore_case=ignore_case)
    return pattern.lines_of(content.encode(), deadline=_LATER)


def test_text_is_found_to_the_letter() -> None:
    """Signs of expressions mean nothing in exact text, and a line counts once."""
    assert _lines("a.b(", "a.b( a.b(\naxb(\nA.B(\na.b(", is_regex=False) == [1, 4]
    assert _lines("a.b(", "A.B(\nx", is_regex=False, ignore_case=True) == [1]


def test_expressions_see_lines_and_letters() -> None:
    """`^` and `$` are the ends of a line, and a letter beyond ASCII is one character."""
    assert _lines(r"^def \w+\($", "x\ndef f(\n def g(") == [2]
    assert _lines("gr.ße", "grüße\ngrße") == [1]


def test_matches_past_the_first_piece_have_their_line() -> None:
    """A long content is looked through piece by piece, without a line lost or moved."""
    content = "".join(f"line {number} of many\n" for number in range(1, 20_001))
    assert _lines(r"line (1|7777|20000) of", content) == [1, 7777, 20000]


@pytest.mark.parametrize(
    ("expression", "position"),
    [("ab(cd", 3), ("[z-a]", 2), ("x(?=y)", 2), ("a**", 2), (r"(\)", 1), ("a(b)(c", 5)],
)
def test_an_invalid_expression_says_where(expression: str, position: int) -> None:
    """The error names the character at which the expression goes wrong."""
    with pytest.raises(RegexInvalid) as caught:
        TextPattern(expression, is_regex=True, ignore_case=False)
    assert caught.value.metadata["position"] == str(position)
    assert caught.value.field_violations[0].field == "regex"


@pytest.mark.parametrize("expression", ["(((a{100}){100}){100})", r"(\pL{900}\pN{900})", "x*", ""])
def test_expressions_that_explode_or_find_everything_are_refused(expression: str) -> None:
    """Neither an expression that becomes too large nor one that matches nothing at all is run."""
    with pytest.raises(RegexInvalid):
        TextPattern(expression, is_regex=True, ignore_case=False)


def test_catastrophic_backtracking_does_not_happen() -> None:
    """The classic that takes a backtracking engine past the end of time takes no time."""
    pattern = TextPattern("(a+)+$x", is_regex=True, ignore_case=False)
    started = time.process_time()
    assert pattern.lines_of(b"a" * 60_000, deadline=_LATER) == []
    assert time.process_time() - started < 5


def test_a_search_past_its_deadline_is_given_up() -> None:
    """The field at fault is named, with what to do."""
    pattern = TextPattern("x", is_regex=True, ignore_case=False)
    with pytest.raises(SearchInvalid) as caught:
        pattern.lines_of(b"x", deadline=time.monotonic() - 1)
    assert caught.value.field_violations[0].field == "regex"
