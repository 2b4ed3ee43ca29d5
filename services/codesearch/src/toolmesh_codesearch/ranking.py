"""Puts units in order: exact names first, then what fits best by words and by meaning together.

Scores are fused, not ranks: how far the best by words is ahead of the next says more than that it
is the first. The likeness of meanings stands as it is, and words count for a part of their best.
Of what is about as near in meaning, the longer is the better answer: a few lines are near to much,
and do little.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.queries import Query

MOST_HITS = 1000
_MOST_NAMED = 500
_DEPTH = 300
_WORDS = 0.35
_BULK = 0.16
# More than any fused score, so that an exact name wins.
_EXACT, _EXACT_CASE = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Ranking:
    """Units in order, the best first, with their scores; `exact` are those of an exact name."""

    units: NDArray[np.int64]
    scores: NDArray[np.float32]
    exact: frozenset[int]


def rank(
    words: NDArray[np.float32],
    meanings: NDArray[np.float32] | None,
    named: dict[int, float],
    weights: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    *,
    bulk: NDArray[np.float32],
) -> Ranking:
    """Return the units of a mask that have a score.

    `words` and `meanings` score all units, `named` are bonuses of those of the mask with an exact
    name, `weights` what a unit is worth by itself, and `bulk` from 0 to 1 how long it is.
    """
    units = np.fromiter(named, dtype=np.int64, count=len(named))
    for each in (words, meanings):
        if each is not None:
            units = np.union1d(units, _best(each * weights, mask))
    scores = _fused(units, words, meanings, bulk) * weights[units]
    scores[np.searchsorted(units, list(named))] += list(named.values())
    order = np.argsort(-scores, kind="stable")[: np.count_nonzero(scores > 0)][:MOST_HITS]
    return Ranking(units[order], scores[order], frozenset(named))


def _fused(
    units: NDArray[np.int64],
    words: NDArray[np.float32],
    meanings: NDArray[np.float32] | None,
    bulk: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return scores of at most 1. A meaning of 0 is not known yet."""
    share = words[units] / max(float(words.max(initial=0.0)), 1e-9)
    if meanings is None or not meanings.any():
        return share
    # What has no embedding yet is judged by its words as if its meaning were as near.
    stand_in = share * max(float(meanings.max(initial=0.0)), 0.0)
    known = np.where(meanings[units] == 0, stand_in, meanings[units])
    return (known + _WORDS * share + _BULK * bulk[units]) / (1 + _WORDS + _BULK)


def named_units(query: Query, columns: Columns, mask: NDArray[np.bool_] | None) -> dict[int, float]:
    """Return the units of a mask that an identifier of the query names, and what each gains.

    Of very many with one name, those come first that have it in the same case.
    """
    found: dict[int, float] = {}
    for names in query.identifiers:
        units = columns.named(names)
        if mask is not None:
            units = units[mask[units]]
        spelled = columns.spelled(names[-1], units)
        left = _MOST_NAMED
        for some, bonus in ((units[spelled], _EXACT + _EXACT_CASE), (units[~spelled], _EXACT)):
            for number in some[:left].tolist():
                found[number] = max(bonus, found.get(number, 0.0))
            left -= len(some[:left])
    return found


def _best(scores: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Return the units with the best positive scores."""
    found = np.flatnonzero(scores > 0 if mask is None else mask & (scores > 0))
    if len(found) > _DEPTH:
        found = found[np.argpartition(scores[found], -_DEPTH)[-_DEPTH:]]
    return found
