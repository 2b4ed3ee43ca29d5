"""Numbers and times are worded for people."""

from datetime import UTC, datetime, timedelta

import pytest

from toolmesh_cli.wording import number, size, span, until


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (45_039_363, "45.0 MB"), (267.6e6, "268 MB")],
)
def test_sizes(count: float, text: str) -> None:
    """Powers of 1000, with one digit after the point where it tells something."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0031, "3.1 ms"),
        (0.25, "0.25 s"),
        (4.56, "4.6 s"),
        (59.6, "60 s"),
        (600, "10 min"),
        (3 * 3600 + 20 * 60, "3 h 20 min"),
        (75 * 3600, "3 d 3 h"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    """Two units at most."""
    assert span(seconds) == text


def test_numbers_agree_with_their_nouns() -> None:
    """One file, several files, several processes."""
    assert number(1, "file") == "1 file"
    assert number(2310, "file") == "2,310 files"
    assert number(0, "process", "processes") == "0 processes"


def test_times_are_told_from_now() -> None:
    """The future is `in`, the past is `ago`."""
    now = datetime.now(tz=UTC)
    assert until(now + timedelta(minutes=14)) == "in 14 min"
    assert until(now - timedelta(hours=3)) == "3 h 0 min ago"
