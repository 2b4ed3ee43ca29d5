"""The index of a snapshot: all units of its files in columns, made of their parts at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.parts import MOST_UNITS, UNIT_BITS, FilePart, units_of
from toolmesh_codesearch.unit_names import name_key, qualified_key, spelling_key
from toolmesh_codesearch.units import Unit
from toolmesh_codesearch.words import Vocabulary

_Number = TypeVar("_Number", bound=np.generic)
_UNIT_MASK = np.uint64(MOST_UNITS - 1)


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of a snapshot: where it is, what is in it and in which language ("": not known)."""

    path: str
    digest: bytes
    language: str


@dataclass(frozen=True, slots=True)
class Postings:
    """Which of many things have a term, and how often; a sparse matrix, row by row.

    Attributes:
        terms: each term that there is, sorted.
        starts: where in the columns below each term begins, and the end.
        owners: the things that have the term, sorted.
        counts: how often, in steps.
    """

    terms: NDArray[np.uint32]
    starts: NDArray[np.int64]
    owners: NDArray[np.int32]
    counts: NDArray[np.uint8]

    def of(self, term: int) -> slice:
        """Return where in the columns a term is; empty when it is nowhere."""
        # A number of another type would have the whole column converted.
        at = int(np.searchsorted(self.terms, np.uint32(term)))
        if at == len(self.terms) or int(self.terms[at]) != term:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))

    def have(self, term: int, owners: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
        """Return which of some things have a term."""
        having = self.owners[self.of(term)]
        if not len(having):
            return np.zeros(len(owners), dtype=np.bool_)
        at = np.searchsorted(having, owners.astype(having.dtype))
        return having[np.minimum(at, len(having) - 1)] == owners


@dataclass(frozen=True, eq=False)
class Columns:
    """All units of a snapshot.

    Attributes:
        files: by path.
        parts: their units, encoded, by file.
        file_starts: the first unit of each file, and the end.
        unit_files: the file of each unit.
        kinds: of each unit, a place in `KINDS`.
        lines: of each unit, the first and the last.
        lengths: how many words each unit has, weighed.
        names: `name_key` of each unit's name; 0 for a file.
        spellings: `spelling_key` of each unit's name.
        qualifiers: which units have a `qualified_key`, in the lower bits; sorted.
        text_ids: what the embedding of each unit is known by; 0 when it has none.
        postings: which units have a term.
        path_postings: which files have a term in their path.
    """

    files: tuple[IndexedFile, ...]
    parts: tuple[FilePart, ...]
    file_starts: NDArray[np.int64]
    unit_files: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    lines: NDArray[np.int32]
    lengths: NDArray[np.float32]
    names: NDArray[np.uint64]
    spellings: NDArray[np.uint32]
    qualifiers: NDArray[np.uint64]
    text_ids: NDArray[np.uint64]
    postings: Postings
    path_postings: Postings

    @property
    def unit_count(self) -> int:
        """How many units there are."""
        return len(self.kinds)

    @cached_property
    def _by_name(self) -> NDArray[np.intp]:
        return np.argsort(self.names, kind="stable")

    def named(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the units of a name with those around it before it; case does not count."""
        key = np.uint64(name_key(names[-1]))
        if len(names) > 1:
            units = self._qualified(names)
            return units[self.names[units] == key]
        order = self._by_name
        first = np.searchsorted(self.names, key, side="left", sorter=order)
        last = np.searchsorted(self.names, key, side="right", sorter=order)
        return order[first:last]

    def spelled(self, name: str, units: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the units of a name have it in the same case."""
        return self.spellings[units] == np.uint32(spelling_key(name))

    def units(self, numbers: Sequence[int]) -> list[Unit]:
        """Return units as they were found in their files."""
        by_file: dict[int, list[int]] = {}
        for number in numbers:
            by_file.setdefault(int(self.unit_files[number]), []).append(number)
        found: dict[int, Unit] = {}
        for file, inside in by_file.items():
            # For one unit of a file, all of them are decoded.
            units, first = units_of(self.parts[file]), int(self.file_starts[file])
            found.update((number, units[number - first]) for number in inside)
        return [found[number] for number in numbers]

    def _qualified(self, names: Sequence[str]) -> NDArray[np.int64]:
        key = np.uint64(qualified_key(names) << UNIT_BITS)
        first = np.searchsorted(self.qualifiers, key, side="left")
        last = np.searchsorted(self.qualifiers, key | _UNIT_MASK, side="right")
        return (self.qualifiers[first:last] & _UNIT_MASK).astype(np.int64)


def make_columns(
    files: Sequence[IndexedFile], parts: Sequence[FilePart], vocabulary: Vocabulary
) -> Columns:
    """Return the columns of files, whose parts stand in the same order."""
    counts = np.array([part.unit_count for part in parts], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    if starts[-1] >= MOST_UNITS:
        raise ValueError(f"{starts[-1]} units are more than an index can hold")
    return Columns(
        files=tuple(files),
        parts=tuple(_without_postings(part) for part in parts),
        file_starts=starts,
        unit_files=np.repeat(np.arange(len(parts), dtype=np.int32), counts),
        kinds=_joined([part.kinds for part in parts], np.uint8),
        lines=_joined([part.lines for part in parts], np.int32).reshape(-1, 2),
        lengths=_joined([part.lengths for part in parts], np.float32),
        names=_joined([part.names for part in parts], np.uint64),
        spellings=_joined([part.spellings for part in parts], np.uint32),
        qualifiers=_qualifiers(parts, starts),
        text_ids=_joined([part.texts for part in parts], np.uint64),
        postings=_unit_postings(parts, starts),
        path_postings=_path_postings([file.path for file in files], vocabulary),
    )


def _unit_postings(parts: Sequence[FilePart], starts: NDArray[np.int64]) -> Postings:
    return _postings(_moved([part.postings for part in parts], starts, np.uint64(8)))


def _qualifiers(parts: Sequence[FilePart], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    return np.sort(_moved([part.qualifiers for part in parts], starts, np.uint64(0)))


def _moved(
    columns: Sequence[bytes], starts: NDArray[np.int64], shift: np.uint64
) -> NDArray[np.uint64]:
    """Return columns of files as one; each number has a unit in its bits from `shift` on."""
    keys = _joined(columns, np.uint64)
    sizes = np.array([len(column) // 8 for column in columns], dtype=np.int64)
    # The units of a file are counted from its first; in the sum, no unit runs over its 24 bits.
    return keys + np.repeat(starts[:-1].astype(np.uint64) << shift, sizes)


def _path_postings(paths: Sequence[str], vocabulary: Vocabulary) -> Postings:
    encoded = [path.encode("utf-8", "replace") for path in paths]
    words = vocabulary.words_of(b"\n".join(encoded))
    ends = np.cumsum([len(path) + 1 for path in encoded])
    owners = np.searchsorted(ends, words.starts, side="right").astype(np.uint64)
    keys = (words.terms.astype(np.uint64) << np.uint64(32)) | (owners << np.uint64(8))
    return _postings(np.unique(keys) | np.uint64(1))


def _postings(keys: NDArray[np.uint64]) -> Postings:
    keys.sort()
    terms = (keys >> np.uint64(32)).astype(np.uint32)
    begins = np.flatnonzero(np.diff(terms, prepend=np.uint32(0)))
    return Postings(
        terms=terms[begins],
        starts=np.append(begins, len(keys)),
        owners=((keys >> np.uint64(8)) & _UNIT_MASK).astype(np.int32),
        counts=(keys & np.uint64(255)).astype(np.uint8),
    )


def _joined(columns: Sequence[bytes], kind: type[_Number]) -> NDArray[_Number]:
    return np.frombuffer(b"".join(columns), dtype=kind)


def _without_postings(part: FilePart) -> FilePart:
    """Return a part with nothing in it but what hits are read from; the rest is in the columns."""
    return FilePart(part.units, b"", b"", b"", b"", b"", b"", b"", b"", part.skipped)
