"""Exact names first, then words and meaning together."""

import numpy as np

from toolmesh_codesearch.ranking import rank

_NONE = np.zeros(5, dtype=np.float32)
_ONES = np.ones(5, dtype=np.float32)


def _scores(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_words_and_meaning_are_fused() -> None:
    """Good in both beats best in one; without embeddings, words alone decide."""
    words = _scores(10, 8, 0, 1, 0)
    meanings = _scores(0.1, 0.5, 0.55, 0.1, -0.2)
    assert rank(words, meanings, {}, _ONES, None, bulk=_NONE).units.tolist() == [1, 2, 0, 3]
    assert rank(words, None, {}, _ONES, None, bulk=_NONE).units.tolist() == [0, 1, 3]


def test_an_exact_name_comes_first() -> None:
    """Whatever the scores."""
    words = _scores(10, 8, 0, 1, 0)
    ranking = rank(words, None, {4: 2.0, 3: 3.0}, _ONES, None, bulk=_NONE)
    assert ranking.units.tolist() == [3, 4, 0, 1]
    assert ranking.exact == {3, 4}


def test_what_has_no_embedding_yet_is_not_put_last() -> None:
    """The best by words keeps its place beside the nearest by meaning while embeddings fill in."""
    words = _scores(10, 1, 1, 0, 0)
    meanings = _scores(0, 0.6, 0.5, 0.1, 0.1)
    assert rank(words, meanings, {}, _ONES, None, bulk=_NONE).units[0] == 0


def test_what_a_unit_is_worth_counts() -> None:
    """Of two that fit alike, the one in a test comes later."""
    words = _scores(10, 10, 0, 0, 0)
    weights = _scores(0.75, 1, 1, 1, 1)
    assert rank(words, None, {}, weights, None, bulk=_NONE).units.tolist() == [1, 0]


def test_of_two_that_mean_about_the_same_the_longer_comes_first() -> None:
    """But not before one that is clearly nearer, and by words alone length counts nothing."""
    words = _scores(0, 0, 0, 0, 0)
    meanings = _scores(0.52, 0.5, 0.7, 0.1, 0.1)
    bulk = _scores(0.2, 0.9, 0.2, 0.2, 0.2)
    assert rank(words, meanings, {}, _ONES, None, bulk=bulk).units[:3].tolist() == [2, 1, 0]
    words = _scores(10, 9, 0, 0, 0)
    for none_yet in (None, _scores(0, 0, 0, 0, 0)):
        ranking = rank(words, none_yet, {}, _ONES, None, bulk=bulk)
        assert (ranking.units.tolist(), ranking.scores[0]) == ([0, 1], 1)


def test_nothing_found() -> None:
    """No score, no hit; an empty snapshot neither."""
    assert len(rank(_scores(0, 0, 0, 0, 0), None, {}, _ONES, None, bulk=_NONE).units) == 0
    nothing = _scores()
    assert len(rank(nothing, nothing, {}, nothing, None, bulk=_NONE).units) == 0
