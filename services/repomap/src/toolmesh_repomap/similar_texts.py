"""Finds the texts that are most like another one, among hundreds of thousands.

Texts are compared by the pairs of neighbouring letters that they share (Dice, "Measures of the
Amount of Ecologic Association Between Species", 1945), all of them at once; the best are then
compared letter by letter. Upper and lower case of ASCII are the same.
"""

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolmesh_repomap.string_table import Ints

_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_CANDIDATES = 32


def folded(data: bytes) -> NDArray[np.uint8]:
    """Return bytes with ASCII's upper case made lower."""
    return _LOWER[np.frombuffer(data, dtype=np.uint8)]


def most_similar(
    text: str,
    data: bytes,
    offsets: Ints,
    *,
    text_of: Callable[[int], str],
    most: int,
    among: NDArray[np.bool_] | None = None,
    least_ratio: float = 0.6,
) -> list[str]:
    """Return the texts most like `text`, the best first, none twice.

    Text i is `data[offsets[i]:offsets[i + 1]]`, and `text_of(i)` what is compared in the end and
    returned; how much of it is alike must be at least `least_ratio`, of 1. Only those in `among`
    count. Takes about 5 ms for a million letters.
    """
    pairs = _pairs(folded(data))
    wanted = np.zeros(2**16, dtype=bool)
    wanted[_pairs(folded(text.encode()))] = True
    # A pair belongs to the text in which it begins; few span two texts.
    of_texts = np.searchsorted(offsets, np.flatnonzero(wanted[pairs]), side="right") - 1
    lengths = np.diff(offsets)
    shared = np.bincount(of_texts, minlength=len(lengths))
    scores: NDArray[np.floating[Any]] = 2 * shared / (lengths + len(text.encode()))
    if among is not None:
        scores = np.where(among, scores, 0.0)
    best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    ratios: dict[str, float] = {}
    lowered = text.lower()
    for number in best[scores[best] > 0].tolist():
        found = text_of(number)
        ratios[found] = SequenceMatcher(None, lowered, found.lower(), autojunk=False).ratio()
    likely = sorted((-ratio, found) for found, ratio in ratios.items() if ratio >= least_ratio)
    return [found for _, found in likely[:most]]


def _pairs(letters: NDArray[np.uint8]) -> NDArray[np.uint16]:
    wide = letters.astype(np.uint16)
    return (wide[:-1] << 8) | wide[1:]
