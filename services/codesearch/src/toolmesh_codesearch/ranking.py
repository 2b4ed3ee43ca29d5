"""Puts units in order: exact names first, then what fits best by words and by meaning together.

The two orders are fused by reciprocal ranks (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
outperforms Condorcet and individual Rank Learning Methods", 2009).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.queries import Query

MOST_HITS = 1000
_MOST_NAMED = 500
_DEPTH = 300
_RANK_OFFSET = 60.0
_WORDS, _MEANING = 1.0, 1.0
_EXACT, _EXACT_CASE = 1.0, 1.0


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
) -> Ranking:
    """Return the units of a mask that have a score.

    `words` and `meanings` score all units, `named` are bonuses of those with an exact name, and
    `weights` what a unit is worth by itself.
    """
    fused = np.zeros(len(words), dtype=np.float32)
    for share, scores in ((_WORDS, words), (_MEANING, meanings)):
        if scores is not None:
            best = _best(scores * weights, mask)
            fused[best] += share / (_RANK_OFFSET + 1 + np.arange(len(best)))
    fused *= (_RANK_OFFSET + 1) / (_WORDS + _MEANING)
    allowed = {unit: bonus for unit, bonus in named.items() if mask is None or mask[unit]}
    for unit, bonus in allowed.items():
        fused[unit] += bonus
    hits = np.flatnonzero(fused)
    order = hits[np.argsort(-fused[hits], kind="stable")][:MOST_HITS]
    return Ranking(order, fused[order], frozenset(allowed))


def named_units(query: Query, columns: Columns) -> dict[int, float]:
    """Return the units that an identifier of the query names, and what each gains by it."""
    found: dict[int, float] = {}
    for parts in query.identifiers:
        for number in columns.named(parts[-1])[:_MOST_NAMED].tolist():
            bonus = _bonus(parts, columns, number)
            if bonus > found.get(number, 0.0):
                found[number] = bonus
    return found


def _bonus(parts: Sequence[str], columns: Columns, number: int) -> float:
    unit = columns.unit(number)
    if len(parts) > 1:
        names = unit.qualified.split(".")[-len(parts) :]
        if [name.lower() for name in names] != [part.lower() for part in parts]:
            return 0.0
    return _EXACT + (_EXACT_CASE if unit.name == parts[-1] else 0.0)


def _best(scores: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Return the units with the best positive scores, in order."""
    if mask is not None:
        scores = np.where(mask, scores, 0)
    if len(scores) > _DEPTH:
        candidates = np.argpartition(-scores, _DEPTH)[:_DEPTH]
    else:
        candidates = np.arange(len(scores))
    candidates = candidates[scores[candidates] > 0]
    return candidates[np.argsort(-scores[candidates], kind="stable")]
