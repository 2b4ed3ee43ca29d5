"""Takes bytes apart into words, all at once, and gives each word's stem a number: its term.

Identifiers are split: `HTTPServer_getModels2` has the words http, server, get, models. There is no
loop over the words of a text: what each byte is comes from a table, where words begin and what they
hash to from array arithmetic. Only a word that was never met before is looked at by itself, to cut
its ending off: that follows the S stemmer (Harman, "How effective is suffixing?", 1991), carried on
to what code calls its actors and acts, so that `validate`, `validator` and `validation` are one.

Text is UTF-8; a letter beyond ASCII counts as a lower-case one, and a script without spaces as one
long word.
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.stop_words import STOP_WORDS

_MOST_WORD_BYTES = 40
_MOST_KNOWN_WORDS = 500_000
_FEWEST_STEM_BYTES = 4
_LOWER, _UPPER, _DIGIT = 1, 2, 3
# One that ends with another comes first. What is left is a stem only when it is long enough.
_ENDINGS = (
    "ization", "ations", "ation", "ators", "ator", "ating", "ated", "ates", "ate", "ments", "ment",
    "ings", "ities", "ility", "izer", "ions", "able", "ion", "ing", "ers", "ors", "ity", "ies",
    "ed", "er", "or", "es", "ly", "s", "e", "y",
)  # fmt: skip
_ENDINGS_BY_LETTER = {
    letter: tuple(ending for ending in _ENDINGS if ending[-1] == letter)
    for letter in {ending[-1] for ending in _ENDINGS}
}

NO_TERM = 0
"""What stands for a word that says nothing, and is left out of every index."""


def _classes() -> NDArray[np.uint8]:
    classes = np.zeros(256, dtype=np.uint8)
    classes[ord("a") : ord("z") + 1] = _LOWER
    classes[128:] = _LOWER
    classes[ord("A") : ord("Z") + 1] = _UPPER
    classes[ord("0") : ord("9") + 1] = _DIGIT
    return classes


def _lower_case() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    return table


def _powers() -> NDArray[np.uint64]:
    powers = np.full(_MOST_WORD_BYTES + 1, 0x9E3779B97F4A7C15, dtype=np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


_CLASSES, _LOWER_CASE, _POWERS = _classes(), _lower_case(), _powers()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text that say something, in order.

    Attributes:
        starts: where in the bytes each begins.
        lengths: how many bytes each has.
        terms: the number of each word's stem.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    terms: NDArray[np.uint32]


class Vocabulary:
    """Knows the terms of the words that it has met; bounded, and may be used by several threads."""

    def __init__(self) -> None:
        self._terms: dict[int, int] = {}

    def words_of(self, text: bytes) -> Words:
        """Return the words of a text."""
        data = np.frombuffer(text, dtype=np.uint8)
        starts, lengths = _split(data)
        if not len(starts):
            return Words(starts, lengths, np.zeros(0, dtype=np.uint32))
        lower = _LOWER_CASE[data]
        hashes = _hashes(lower, starts, lengths)
        known, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        terms = list(map(self._terms.get, known.tolist()))
        for place, term in enumerate(terms):
            if term is None:
                start, length = starts[first[place]], lengths[first[place]]
                terms[place] = self._learn(int(known[place]), lower[start : start + length])
        terms = np.array(terms, dtype=np.uint32)[inverse]
        telling = terms != NO_TERM
        return Words(starts[telling], lengths[telling], terms[telling])

    def _learn(self, word_hash: int, word: NDArray[np.uint8]) -> int:
        term = term_of(word.tobytes().decode("utf-8", "replace"))
        if len(self._terms) >= _MOST_KNOWN_WORDS:
            self._terms.clear()
        self._terms[word_hash] = term
        return term


def term_of(word: str) -> int:
    """Return the number of a lower-case word's stem; NO_TERM when it says nothing."""
    if word in STOP_WORDS:
        return NO_TERM
    digest = blake2b(_stem(word).encode(), digest_size=4).digest()
    return int.from_bytes(digest) or 1


def _split(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where words of 2 to 40 bytes begin, and their lengths."""
    if not len(data):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    kind = _CLASSES[data]
    before = np.concatenate((np.zeros(1, dtype=np.uint8), kind[:-1]))
    after = np.concatenate((kind[1:], np.zeros(1, dtype=np.uint8)))
    starting = kind != before
    # `Xx` is one word, and of `HTTPServer` the S begins one.
    starting &= ~((kind == _LOWER) & (before == _UPPER))
    starting |= (kind == _UPPER) & (before == _UPPER) & (after == _LOWER)
    bounds = np.append(np.flatnonzero(starting), len(data))
    starts, lengths = bounds[:-1], np.diff(bounds)
    first = kind[starts]
    wanted = (first > 0) & (lengths >= 2) & (lengths <= _MOST_WORD_BYTES)
    # Of numbers, those that name something: 404, 256, 8601.
    wanted &= (first != _DIGIT) | (lengths <= 4)
    return starts[wanted], lengths[wanted]


def _hashes(
    lower: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return a polynomial hash of each word, modulo 2 to the 64th."""
    ends = np.cumsum(lengths)
    offsets = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    letters = lower[np.repeat(starts, lengths) + offsets].astype(np.uint64)
    return np.add.reduceat((letters + np.uint64(1)) * _POWERS[offsets], ends - lengths)


def _stem(word: str) -> str:
    for ending in _ENDINGS_BY_LETTER.get(word[-1], ()):
        if word.endswith(ending) and len(word) - len(ending) >= _FEWEST_STEM_BYTES:
            stem = word[: -len(ending)]
            # `getting`, `mapper`: the consonant is double for the ending's sake.
            if stem[-1] == stem[-2] and stem[-1] not in "slaeiou" and len(ending) > 1:
                return stem[:-1]
            return stem
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
