"""The places of right answers, and what is made of them."""

import pytest

from evals.codesearch.contenders import CONTENDERS, HYBRID, MEANING, RIPGREP, WORDS
from evals.codesearch.packages import HELD_OUT
from evals.codesearch.quality import Row
from evals.codesearch.quality_report import goals_met, tables
from evals.codesearch.scoring import MOST_PLACES, first_right, recall_at, reciprocal_rank


def test_the_first_right_answer_counts() -> None:
    """A symbol that comes twice takes one place, and any right answer will do."""
    assert first_right(["a", "b", "a", "c"], {"c"}) == 3
    assert first_right(["a", "b"], {"b", "a"}) == 1
    assert first_right(["a"], {"z"}) == 0


def test_a_right_answer_too_far_down_is_none() -> None:
    """Nobody reads past the first hundred."""
    ranked = [f"wrong {place}" for place in range(MOST_PLACES)]
    assert first_right([*ranked, "right"], {"right"}) == 0
    assert first_right([*ranked[1:], "right"], {"right"}) == MOST_PLACES


def test_recall_counts_queries_and_rank_weighs_them() -> None:
    """0 stands for not found in both."""
    assert recall_at([1, 5, 6, 0], 5) == pytest.approx(0.5)
    assert [reciprocal_rank(place) for place in (1, 4, 0)] == [1, 0.25, 0]


def _rows(places: dict[str, list[int]]) -> list[Row]:
    return [
        Row("package", HELD_OUT, f"query-{number}", contender, place)
        for contender in CONTENDERS
        for number, place in enumerate(places[contender])
    ]


def test_goals_need_the_gain_over_words_and_no_loss_to_meaning() -> None:
    """One of the ten queries more is 10 points, which is too few over BM25."""
    found, missed = 1, 9
    good = {
        HYBRID: [found] * 8 + [missed] * 2,
        WORDS: [found] * 6 + [missed] * 4,
        MEANING: [found] * 8 + [missed] * 2,
        RIPGREP: [0] * 10,
    }
    assert goals_met(_rows(good))
    assert "+20.0" in tables(_rows(good))
    assert not goals_met(_rows(good | {WORDS: [found] * 7 + [missed] * 3}))
    assert not goals_met(_rows(good | {MEANING: [found] * 9 + [missed]}))
