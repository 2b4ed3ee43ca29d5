"""Exact text and regular expressions, and what is refused."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolmesh_codesearch.errors import RegexInvalid, SearchInvalid
from toolmesh_codesearch.text_patterns import TextPattern
from toolmesh_codesearch.time_left import TimeLeft


def _spans(pattern: TextPattern, content: bytes, seconds: float = 60) -> list[tuple[int, int]]:
    time_left = TimeLeft(seconds)
    with time_left.running():
        return list(pattern.spans(content, 0, time_left))


def _lines(
    text: str, content: str, *, is_regex: bool = True, ignore_case: bool = False
) -> list[int]:
    pattern = TextPattern(text, is_regex=is_regex, ignore_case=ignore_case)
    encoded = content.encode()
    starts = [start for start, _ in _spans(pattern, encoded)]
    return sorted({encoded.count(b"\n", 0, start) + 1 for start in starts})


def test_text_is_found_to_the_letter() -> None:
    """Signs of expressions mean nothing in exact text, wherever in a line it stands."""
    assert _lines("a.b(", "a.b( a.b(\naxb(\nA.B(\na.b(", is_regex=False) == [1, 4]
    assert _lines("a.b(", "A.B(\nx", is_regex=False, ignore_case=True) == [1]


def test_expressions_see_lines_and_letters() -> None:
    """`^` and `$` are the ends of a line, and a letter beyond ASCII is one character."""
    assert _lines(r"^def \w+\($", "x\ndef f(\n def g(") == [2]
    assert _lines("gr.ße", "grüße\ngrße") == [1]


def test_matches_past_the_first_piece_have_their_line() -> None:
    """A long content is looked through piece by piece, without a line lost or moved."""
    content = "".join(f"line {number} of many\n" for number in range(1, 50_001))
    assert _lines(r"line (1|7777|50000) of", content) == [1, 7777, 50000]


def test_where_a_piece_ends_makes_no_difference() -> None:
    """A match over the boundary of two pieces is found once; the boundary is no end of a line."""
    pattern = TextPattern(r"a{500}b|^x|y$", is_regex=True, ignore_case=False)
    text = b"a" * 500 + b"bx" + b"y" * 998
    assert [start for start, _ in _spans(pattern, text * 200 + b"z")] == [
        number * 1500 for number in range(200)
    ]


@pytest.mark.parametrize(
    ("text", "found", "ignore_case"),
    [
        ("語" * 1000, "語" * 1000, False),
        ("😀" * 1000, "😀" * 1000, True),
        ("д" * 1000, "Д" * 1000, True),
        ("k" * 1000, "\N{KELVIN SIGN}" * 1000, True),
    ],
)
def test_a_long_text_is_found_wherever_it_stands(text: str, found: str, ignore_case: bool) -> None:
    """Also where it has more bytes than a regular expression of its size may match."""
    pattern = TextPattern(text, is_regex=False, ignore_case=ignore_case)
    content = found.encode()
    for start in range(0, 20_000, 700):
        spans = _spans(pattern, b"-" * start + content + b"-" * 9_000)
        assert spans == [(start, start + len(content))]


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
    assert _spans(pattern, b"a" * 60_000) == []
    assert time.process_time() - started < 5


def test_a_search_without_time_is_given_up() -> None:
    """The field at fault is named, with what to do."""
    pattern = TextPattern("x", is_regex=True, ignore_case=False)
    with pytest.raises(SearchInvalid) as caught:
        _spans(pattern, b"x", seconds=-1)
    assert caught.value.field_violations[0].field == "regex"


@pytest.mark.parametrize("expression", ["(?:.*a.{200}[cd].*e)|a|b", r"(?:.*a.{900}[cd].*e)|zz"])
def test_work_that_nobody_waits_for_ends_at_once(expression: str) -> None:
    """An expression that the engine is slow with ends when it is told to, not with the line."""
    pattern = TextPattern(expression, is_regex=True, ignore_case=False)
    line = bytes(random.Random(1).choices(b"ab", k=2**20))
    time_left = TimeLeft(600)

    def work() -> int:
        with time_left.running():
            return sum(1 for _ in pattern.spans(line, 0, time_left))

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work)
        with pytest.raises(TimeoutError):
            working.result(timeout=0.5)
        started = time.process_time()
        time_left.end()
        with pytest.raises(SearchInvalid):
            working.result(timeout=30)
        assert time.process_time() - started < 2


def test_time_counts_only_while_it_runs() -> None:
    """Who waits for a thread loses no time by it, and what is used is gone."""
    time_left = TimeLeft(60)
    assert time_left.is_over
    with time_left.running():
        assert not time_left.is_over
    assert time_left.is_over
    with time_left.running():
        assert not time_left.is_over
        time_left.end()
        assert time_left.is_over
    with time_left.running():
        assert time_left.is_over
