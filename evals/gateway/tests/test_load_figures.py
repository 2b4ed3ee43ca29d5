"""Reading the load generator and judging goals, without load."""

from pathlib import Path

import pytest

from evals.gateway.load import Latency, Request, judged, samples
from evals.gateway.report import Goal, Spread

_OUTPUT = """
finished in 4.00s, 1000.00 req/s, 1.00MB/s
requests: 4000 total, 4064 started, 4000 done, {good} succeeded, 0 failed, 0 errored, 0 timeout
status codes: {good} 2xx, 0 3xx, {bad} 4xx, 0 5xx
traffic: 1.00MB (1048576) total, 1.00KB (1024) headers (space savings 90.00%), 1.00KB ({size}) data
"""
_REQUEST = Request(url="", headers=(), body_file=Path(), http1=True, answer_bytes=100)


def test_right_answers_count_as_right() -> None:
    """Calls whose answers have the right status and size are not wrong."""
    output = _OUTPUT.format(good=4000, bad=0, size=400_100)
    assert judged(output, _REQUEST, slack_bytes=6400) == (4000, 0)


def test_a_failed_status_is_wrong() -> None:
    """An answer with another status than 2xx is counted, although h2load calls it done."""
    output = _OUTPUT.format(good=3990, bad=10, size=399_000)
    assert judged(output, _REQUEST, slack_bytes=6400) == (4000, 10)


def test_a_missing_body_is_wrong() -> None:
    """A gRPC failure has HTTP status 200 and no body: the size gives it away."""
    output = _OUTPUT.format(good=4000, bad=0, size=300_000)
    assert judged(output, _REQUEST, slack_bytes=6400) == (4000, 1000)


def test_latency_tells_calls_that_held_back_the_next(tmp_path: Path) -> None:
    """A call that took longer than its connection's spacing is reported, since it hides others."""
    log = tmp_path / "paced.log"
    rows = [(1_000_000 + 2000 * k, 200, 150_000 if k == 7 else 1500) for k in range(1000)]
    log.write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in rows))
    figures = Latency.of(samples(log, rate=500, spacing=0.1, wrong=0))
    assert figures.held_back == 1
    assert figures.p50 == pytest.approx(1.5)
    assert figures.requests == 1000
    assert figures.sent_late_p99 == pytest.approx(0)


@pytest.mark.parametrize(
    ("at_least", "median", "met"),
    [(True, 2.0, True), (True, 1.7, False), (False, 1.7, True), (False, 2.0, False)],
)
def test_goals_are_judged_by_the_median(at_least: bool, median: float, met: bool) -> None:
    """The extremes of the rounds decide nothing."""
    goal = Goal("g", 1.8, "x", at_least, Spread(0.1, median, 9.0))
    assert goal.met is met
