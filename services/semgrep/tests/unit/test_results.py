"""What is kept of matches."""

import sys
import time
from dataclasses import replace

import msgspec
import pytest

from toolmesh_semgrep.engine_output import (
    FIX_TOO_LONG,
    Match,
    Place,
    TargetResult,
    may_pass,
    read_results,
)
from toolmesh_semgrep.results import KeptFault, KeptMatch, kept_result


def _kept(content: bytes, found: bytes) -> KeptMatch:
    """Keep the match of `found`, with places as the engine tells them: in bytes."""
    return kept_result(TargetResult((_match(content, found),)), content, {"r": b"digest"}).matches[
        0
    ]


def _match(content: bytes, found: bytes) -> Match:
    places: list[Place] = []
    offset = content.index(found)
    for at in (offset, offset + len(found)):
        line = content.count(b"\n", 0, at) + 1
        column = at - (content.rfind(b"\n", 0, at) + 1) + 1
        places.append(Place(line, column, at))
    return Match("r", places[0], places[1], "m", None, suppressed=False)


def test_columns_count_characters() -> None:
    """The engine counts bytes; an accent or an emoji is one character."""
    kept = _kept('x = "é😀"; eval(1)\n'.encode(), b"eval(1)")
    assert (kept.start_column, kept.end_column) == (11, 18)
    kept = _kept(b'x = "\xe9\xe9"; eval(1)\n', b"eval(1)")
    assert kept.start_column == 11


def test_the_digest_of_code_stays_when_only_its_dress_changes() -> None:
    """Indentation, line ends, trailing blanks and a suppressing comment are no code."""
    plain = _kept(b"f(\n  1)\n", b"f(\n  1)").code
    assert _kept(b"if x:\n    f(\n      1)\n", b"f(\n      1)").code == plain
    assert _kept(b"f(\r\n  1)\r\n", b"f(\r\n  1)").code == plain
    assert _kept(b"f(  # nosemgrep: r\n  1)\n", b"f(  # nosemgrep: r\n  1)").code == plain
    assert _kept(b"g(\n  1)\n", b"g(\n  1)").code != plain
    assert _kept(b'f("#nosem")', b'f("#nosem")').code != _kept(b"f(2)", b"f(2)").code


def test_long_lines_cost_no_more_than_reading_them() -> None:
    """A thousand matches on a line of a megabyte, or in a line of blanks, take no minutes."""
    for content in (b"f(1);" * 200_000, b"f(1);" + b" " * 1_000_000 + b"\n"):
        places = (Place(1, 1, 0), Place(1, 5, 4))
        matches = tuple(
            Match("r", *places, message=f"{number}", fix=None, suppressed=False)
            for number in range(1000)
        )
        begun = time.process_time()
        kept = kept_result(TargetResult(matches), content, {"r": b"digest"})
        assert time.process_time() - begun < 2
        assert len(kept.matches) == 1000
        assert len(kept.matches[0].lines) == 2000


def test_a_fix_that_is_too_long_is_left_out_and_named() -> None:
    """The match is kept, and a fault of its rule says what is missing."""
    content = b"f(1)\nf(2)\n"
    found = [_match(content, b"f(1)"), _match(content, b"f(2)")]
    fixes = ("x" * 10_001, "x" * 10_000)
    matches = tuple(replace(each, fix=fix) for each, fix in zip(found, fixes, strict=True))
    kept = kept_result(TargetResult(matches), content, {"r": b"digest"})
    assert [match.fix for match in kept.matches] == [None, fixes[1]]
    assert kept.faults == (KeptFault(b"digest", FIX_TOO_LONG),)
    assert not may_pass(FIX_TOO_LONG)


@pytest.mark.parametrize("sign", ["x", "é", "語", "😀"])
def test_a_match_counts_as_much_as_it_takes(sign: str) -> None:
    """Whatever its texts are written in; it takes more once they were kept on disk."""
    content = f"{sign * 3000}\n".encode()
    match = replace(_match(content, content[:-1]), message=sign * 4000, fix=sign * 5000)
    kept = kept_result(TargetResult((match,)), content, {"r": b"digest"})
    msgspec.msgpack.encode(kept)
    (match,) = kept.matches
    taken = sum(map(sys.getsizeof, (match.message, match.lines, match.fix)))
    assert kept.kilobytes == match.kilobytes
    assert kept.kilobytes - 1 <= taken / 1000 <= kept.kilobytes + 1


def test_output_that_is_not_utf8_is_read() -> None:
    """The engine repeats the bytes of a file as they are."""
    data = (
        b'{"results":[{"check_id":"r","path":"0.py","start":{"line":1,"col":1,"offset":0},'
        b'"end":{"line":1,"col":2,"offset":1},"extra":{"message":"\xe9"}}],"errors":[]}'
    )
    results = read_results(data, 1)
    assert results is not None
    assert results[0].matches[0].message == "\N{REPLACEMENT CHARACTER}"


def test_a_run_that_failed_is_not_one_without_findings() -> None:
    """A fatal error is no result; a rule that cannot be used is a fault of every file."""
    fatal = b'{"results":[],"errors":[{"error_type":"Fatal error","message":"x"}]}'
    assert read_results(fatal, 2) is None
    assert read_results(b'{"results":[', 2) is None
    rule = b'{"results":[],"errors":[{"error_type":"Rule parse error","rule_id":"r"}]}'
    results = read_results(rule, 2)
    assert results is not None
    assert [[fault.rule for fault in each.faults] for each in results] == [["r"], ["r"]]
