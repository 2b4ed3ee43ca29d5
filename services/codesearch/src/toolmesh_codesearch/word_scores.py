"""Scores units by the words that they share with a query.

Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009),
with fields weighed into one count as BM25F does, when a part is made. Words in a file's path count
for all of its units, and alone for a file whose content is not read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.unit_words import TF_STEPS

_K1, _B = 0.8, 0.4
_PATH = 0.35
_MOST_TERMS = 64


@dataclass(frozen=True, slots=True)
class WordScores:
    """The score of each unit, and the weight of each term of the query, the most telling first."""

    scores: NDArray[np.float32]
    weights: dict[int, float]


class WordScorer:
    """Scores the units of one snapshot."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        mean = float(columns.lengths.mean()) if columns.unit_count else 1.0
        self._norms = _K1 * (1 - _B + _B * columns.lengths / max(mean, 1.0))
        self._unread_files = np.flatnonzero([bool(part.skipped) for part in columns.parts])

    def score(self, terms: Iterable[int]) -> WordScores:
        """Score all units; of very many terms, those that are in the fewest units count."""
        columns = self._columns
        weights = {term: self._weight(term) for term in terms}
        ranked = sorted(weights, key=weights.__getitem__, reverse=True)[:_MOST_TERMS]
        scores = np.zeros(columns.unit_count, dtype=np.float32)
        file_scores = np.zeros(len(columns.files), dtype=np.float32)
        for term in ranked:
            place = columns.postings.of(term)
            owners = columns.postings.owners[place]
            counts = columns.postings.counts[place] * np.float32(1 / TF_STEPS)
            saturated = counts * (_K1 + 1) / (counts + self._norms[owners])
            scores[owners] += np.float32(weights[term]) * saturated
            paths = columns.path_postings
            file_scores[paths.owners[paths.of(term)]] += _PATH * weights[term]
        # A path alone is no hit: it tells apart what the words have found.
        found = np.flatnonzero(scores)
        scores[found] += file_scores[columns.unit_files[found]]
        # It is all there is to find of what is not read, which must not take the lead by it.
        most = scores.max(initial=0.0) if len(found) else np.inf
        files = self._unread_files
        scores[columns.file_starts[files]] = np.minimum(file_scores[files], most)
        return WordScores(scores, {term: weights[term] for term in ranked})

    def terms_in(self, units: NDArray[np.int64], terms: Iterable[int]) -> list[list[int]]:
        """Return for each unit those of the terms that it, or its path, has."""
        columns = self._columns
        files = columns.unit_files[units]
        found: list[list[int]] = [[] for _ in units]
        for term in terms:
            has = columns.postings.have(term, units) | columns.path_postings.have(term, files)
            for place in np.flatnonzero(has).tolist():
                found[place].append(term)
        return found

    def _weight(self, term: int) -> float:
        place = self._columns.postings.of(term)
        count = place.stop - place.start
        return float(np.log1p((self._columns.unit_count - count + 0.5) / (count + 0.5)))
