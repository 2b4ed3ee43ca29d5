"""The embeddings of a snapshot's units, and which of them are nearest to another one.

An embedding has a direction and no length: it is kept as 8-bit integers, scaled so that the largest
of its numbers is 127. What that costs in exactness is far below what tells one text from another.

Of very many, only those are compared exactly whose numbers have most signs in common with the
vector's: how many differ tells the angle between the two (Charikar, "Similarity Estimation
Techniques from Rounding Algorithms", 2002).
"""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 384
# Rows that are turned into floats at once, 200 kB: they stay in the processor's cache, and their
# memory with the process, which takes larger pieces from the system each time anew.
_CHUNK_ROWS = 128
_MOST_EXACT = 2048
_SIGN_WORDS = DIMENSIONS // 64
_COSINES = np.cos(np.pi * np.arange(DIMENSIONS + 1) / DIMENSIONS).astype(np.float32)


def quantised(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return rows as 8-bit integers."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    return np.rint(vectors * (127 / largest)).astype(np.int8)


class Meanings:
    """The embeddings of units by their place; those that are not there yet come in later.

    `ids` says what the embedding of each unit is known by, 0 for units that have none.
    """

    def __init__(self, ids: NDArray[np.uint64]) -> None:
        self._rows = np.zeros((len(ids), DIMENSIONS), dtype=np.int8)
        self._scales = np.zeros(len(ids), dtype=np.float32)
        self._signs = np.zeros((_SIGN_WORDS, len(ids)), dtype=np.uint64)
        self._ids = ids
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]
        self.embedded_count = int(np.count_nonzero(ids))
        """How many units have an embedding, here or to come."""
        self._lock = threading.Lock()

    def missing(self) -> NDArray[np.uint64]:
        """Return what the embeddings that are not there are known by, in the units' order."""
        ids = self._ids[(self._scales == 0) & (self._ids != 0)]
        _, first = np.unique(ids, return_index=True)
        return ids[np.sort(first)]

    @property
    def ready_count(self) -> int:
        """How many units have their embedding here."""
        return int(np.count_nonzero(self._scales))

    @property
    def share_ready(self) -> float:
        """Which share of the units that have an embedding has it here; 1 when none has any."""
        return self.ready_count / self.embedded_count if self.embedded_count else 1.0

    def add(self, vectors: Mapping[int, bytes]) -> None:
        """Put embeddings in their places; those of no unit are left out."""
        if not vectors:
            return
        keys = np.fromiter(vectors, dtype=np.uint64, count=len(vectors))
        rows = np.frombuffer(b"".join(vectors.values()), dtype=np.int8).reshape(-1, DIMENSIONS)
        first = np.searchsorted(self._sorted, keys, side="left")
        counts = np.searchsorted(self._sorted, keys, side="right") - first
        ends = np.cumsum(counts)
        if not len(ends) or not ends[-1]:
            return
        within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        places = self._order[np.repeat(first, counts) + within]
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float32))
        with self._lock:
            self._rows[places] = np.repeat(rows, counts, axis=0)
            self._signs[:, places] = np.repeat(_signs(rows), counts, axis=1)
            self._scales[places] = np.repeat(1 / np.maximum(norms, 1), counts)

    def likeness(
        self, vector: NDArray[np.float32], mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Return the cosine of each unit's embedding and a vector of length 1; 0 where none is.

        Of more than 2,048 units, the nearest so many have the exact one, and the others about it.
        With a mask, only its units are looked at, and the others have 0.
        """
        places = np.arange(len(self._rows)) if mask is None else np.flatnonzero(mask)
        found = np.zeros(len(self._rows), dtype=np.float32)
        if len(places) > _MOST_EXACT:
            differing = np.zeros(len(places), dtype=np.int16)
            for own, other in zip(self._signs, _signs(vector[None]), strict=True):
                differing += np.bitwise_count((own if mask is None else own[places]) ^ other)
            about = _COSINES[differing]
            about[self._scales[places] == 0] = 0
            found[places] = about
            places = places[np.sort(np.argpartition(-about, _MOST_EXACT)[:_MOST_EXACT])]
        found[places] = self._cosines(places, vector)
        return found

    def _cosines(
        self, places: NDArray[np.intp], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        products = np.empty(len(places), dtype=np.float32)
        for start in range(0, len(places), _CHUNK_ROWS):
            rows = self._rows.take(places[start : start + _CHUNK_ROWS], axis=0).astype(np.float32)
            # Not `dot`: its threads wait for each other when the machine is busy.
            np.einsum("ij,j->i", rows, vector, out=products[start : start + len(rows)])
        return products * self._scales[places]


def _signs(rows: NDArray[np.int8] | NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the signs of rows, 64 in a number: the first of each row, then the second, and on."""
    return np.packbits(rows > 0, axis=1).view(np.uint64).T
