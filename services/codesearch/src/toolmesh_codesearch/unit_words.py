"""Counts the words of units, many files at once."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.units import Unit
from toolmesh_codesearch.words import Vocabulary

TF_STEPS = 4
"""How many steps of a count are one occurrence."""

# What a word weighs by where it stands: a name says more than a body.
_BODY, _NAME, _SCOPE, _SIGNATURE, _DOC = 1.0, 5.0, 1.5, 1.0, 1.5
_FIELDS = 4


class UnitText(Protocol):
    """A file's content, by lines too, and its units."""

    @property
    def content(self) -> bytes:
        """The bytes that words are taken from."""
        ...

    @property
    def lines(self) -> Sequence[bytes]:
        """The same, without line breaks."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """The units; each stands after those around it."""
        ...


def word_columns(
    files: Sequence[UnitText], vocabulary: Vocabulary
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.float32]]]:
    """Yield for each file the words of its units, as a part keeps them, and how many each unit has.

    All is taken apart in one go: of each file the content, then the names of its units, then their
    scopes, and so on, each on a line of its own. The line of a word tells its unit and its weight.
    """
    counts = [len(file.units) for file in files]
    starts = np.concatenate(([0], np.cumsum(counts)))
    whole = b"\n".join(text for file in files for text in _texts(file))
    words = vocabulary.words_of(whole)
    breaks = np.flatnonzero(np.frombuffer(whole, dtype=np.uint8) == ord("\n"))
    lines = np.searchsorted(breaks, words.starts)
    owners = np.concatenate(
        [_line_owners(file) + start for file, start in zip(files, starts[:-1], strict=True)]
    )[lines]
    weights = np.concatenate([_line_weights(file) for file in files])[lines]
    keys = (owners.astype(np.uint64) << np.uint64(32)) | words.terms.astype(np.uint64)
    found, inverse = np.unique(keys, return_inverse=True)
    steps = np.bincount(inverse, weights=weights, minlength=len(found)) * TF_STEPS
    counted = np.clip(np.rint(steps), 1, 255).astype(np.uint64)
    lengths = np.bincount(owners, weights=weights, minlength=int(starts[-1])).astype(np.float32)
    units = found >> np.uint64(32)
    bounds = np.searchsorted(units, starts.astype(np.uint64))
    for file, start in enumerate(starts[:-1].tolist()):
        inside = slice(bounds[file], bounds[file + 1])
        own = (units[inside] - np.uint64(start)) << np.uint64(8)
        postings = (found[inside] << np.uint64(32)) | own | counted[inside]
        yield postings, lengths[start : starts[file + 1]]


def _texts(file: UnitText) -> Iterator[bytes]:
    yield file.content
    for unit in file.units:
        yield _line(unit.name)
    for unit in file.units:
        yield _line(unit.scope)
    for unit in file.units:
        yield _line(unit.signature)
    for unit in file.units:
        yield _line(unit.doc)


def _line(text: str) -> bytes:
    return text.encode("utf-8", "replace").replace(b"\n", b" ")


def _line_owners(file: UnitText) -> NDArray[np.int64]:
    """Return for each line the innermost unit that it is in, then each unit once a field."""
    inside = np.zeros(len(file.lines), dtype=np.int64)
    for number, unit in enumerate(file.units[1:], start=1):
        inside[unit.first_line - 1 : unit.end_line] = number
    return np.concatenate((inside, np.tile(np.arange(len(file.units)), _FIELDS)))


def _line_weights(file: UnitText) -> NDArray[np.float64]:
    counts = [len(file.lines), *[len(file.units)] * _FIELDS]
    return np.repeat([_BODY, _NAME, _SCOPE, _SIGNATURE, _DOC], counts)
