"""What the table of times says, and which goals it holds them against."""

import pytest

from evals.codesearch.speed import Timed
from evals.codesearch.speed_report import all_met, figures, percentile, report


def _timed(*, symbol_count: int, query_seconds: float) -> Timed:
    return Timed(
        "tree",
        file_count=1000,
        symbol_count=symbol_count,
        push=3.0,
        first_answer=1.0,
        edits=[0.2, 0.4],
        share_ready=1.0,
        queries=[query_seconds] * 10,
        concurrent=[0.1] * 10,
        health=[0.01] * 10,
        memory_bytes=400_000_000,
    )


def test_a_large_tree_has_a_goal_of_its_own() -> None:
    """40 ms are too many for 10,000 symbols, and few enough for 100,000."""
    assert not all_met([_timed(symbol_count=14_000, query_seconds=0.040)])
    assert all_met([_timed(symbol_count=120_000, query_seconds=0.040)])


def test_the_table_says_what_is_missed() -> None:
    """Each figure with a goal has a verdict."""
    text = report([_timed(symbol_count=14_000, query_seconds=0.100)])
    assert "query, p50" in text
    assert text.count("NOT met") == 2
    assert sum(figure.met for figure in figures(_timed(symbol_count=1, query_seconds=0.1))) == 6


def test_a_percentile_lies_within_the_values() -> None:
    """Of a single value, every percentile is that value."""
    assert percentile([7.0], 99) == 7.0
    assert percentile([float(value) for value in range(101)], 99) == pytest.approx(99.0)
