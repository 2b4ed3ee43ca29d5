"""Finds the files that use a name, and which of its definitions they probably mean.

What a use means is told by what the file imports and by where it lies, as in reference_graph.py,
but for one name at a time: so the reason of each can be told.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from operator import itemgetter

import numpy as np

from toolmesh_repomap.definition_search import NameQuestion, search_definitions
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.integer_sorting import distinct
from toolmesh_repomap.paths import Role
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.symbol_names import read_name, similar_names, symbols_of
from toolmesh_repomap.use_readings import ranges

# What a folder's own file begins with.
_PACKAGE_FILES = ("__init__.", "index.", "mod.", "lib.")
# More definitions than this are no answer to which is meant.
_MOST_MEANT = 200

_Rows = tuple[int, ...]


class Basis(IntEnum):
    """What tells which definition is meant, the strongest first."""

    IMPORT = 1
    SAME_FILE = 2
    SAME_FOLDER = 3
    NAME = 4


@dataclass(frozen=True, slots=True)
class UsingFile:
    """A file that uses a symbol so often, and the rows whose definition it probably means.

    There are none in `meant_rows` when nothing tells which, or when there are more than 200.
    """

    row: int
    symbol: int
    use_count: int
    basis: Basis
    meant_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoundUses:
    """The files that use a name, the most likely first; with none, names that are like it."""

    files: tuple[UsingFile, ...] = ()
    similar: tuple[str, ...] = ()


def search_uses(
    index: SnapshotIndex, question: NameQuestion, definition_row: int | None = None
) -> FoundUses:
    """Return the files that use a name.

    With qualifiers in the name, or a `definition_row`, files that probably mean a definition which
    is another one are left out.
    """
    corpus = index.corpus
    symbols, qualified = _symbols(index, question)
    if not symbols:
        name = read_name(question.name).name
        everything = np.ones(len(corpus.symbols), dtype=bool)
        return FoundUses(similar=tuple(similar_names(corpus, name, everything)))
    meant: set[int] | None = None
    if qualified:
        found = search_definitions(index, NameQuestion(question.name, question.ignore_case))
        if not found.definitions:
            return FoundUses(similar=found.similar)
        meant = set(corpus.definition_rows(np.array(found.definitions)).tolist())
    if definition_row is not None:
        meant = {definition_row} if meant is None else meant & {definition_row}
    files = [
        file
        for symbol in symbols
        for file in _Readings(index, symbol).files(question)
        if meant is None or not file.meant_rows or meant.intersection(file.meant_rows)
    ]
    return FoundUses(tuple(sorted(files, key=lambda file: _order(index, file))))


def _symbols(index: SnapshotIndex, question: NameQuestion) -> tuple[list[int], bool]:
    """Return the symbols of a name, and whether it was read as one with qualifiers."""
    whole = question.name.strip()
    if symbols := symbols_of(index.corpus, whole, ignore_case=question.ignore_case):
        return symbols, False
    name = read_name(whole)
    symbols = symbols_of(index.corpus, name.name, ignore_case=question.ignore_case)
    return symbols, bool(name.qualifiers)


def _order(index: SnapshotIndex, file: UsingFile) -> tuple[int, bool, int, int]:
    is_side = index.corpus.roles.item(file.row) != Role.CODE
    return (file.basis, is_side, -file.use_count, file.row)


class _Readings:
    """What the uses of one symbol mean."""

    def __init__(self, index: SnapshotIndex, symbol: int) -> None:
        self._index = index
        self._symbol = symbol
        places = index.graph.places_of(symbol)
        self._definers: list[int] = index.graph.place_rows[places.start : places.stop].tolist()

    def files(self, question: NameQuestion) -> list[UsingFile]:
        """Return the files that use the symbol."""
        corpus = self._index.corpus
        uses = np.flatnonzero(corpus.columns.use_symbol == self._symbol)
        rows, inverse = np.unique(corpus.use_rows(uses), return_inverse=True)
        counts = np.bincount(inverse, corpus.columns.use_count[uses], minlength=len(rows))
        meant = question.files.among(corpus, rows)
        rows, counts = rows[meant], counts[meant].astype(int).tolist()
        readings = self._readings(rows)
        return [
            UsingFile(row, self._symbol, count, *readings[row])
            for row, count in zip(rows.tolist(), counts, strict=True)
        ]

    def _readings(self, rows: Ints) -> dict[int, tuple[Basis, _Rows]]:
        imported = self._imported(rows)
        beside: dict[str, list[int]] = {}
        for row in self._definers:
            beside.setdefault(self._folder(row), []).append(row)
        own = set(self._definers)
        only = tuple(self._definers) if len(self._definers) == 1 else ()
        readings: dict[int, tuple[Basis, _Rows]] = {}
        for row in rows.tolist():
            if row in own:
                readings[row] = Basis.SAME_FILE, (row,)
            elif row in imported:
                readings[row] = Basis.IMPORT, _telling(imported[row])
            elif neighbours := beside.get(self._folder(row)):
                readings[row] = Basis.SAME_FOLDER, _telling(neighbours)
            else:
                readings[row] = Basis.NAME, only
        return readings

    def _folder(self, row: int) -> str:
        return posixpath.dirname(self._index.corpus.paths[row])

    def _imported(self, rows: Ints) -> dict[int, _Rows]:
        """Return the definers that each row imports, by row."""
        themselves = {row: (row,) for row in self._definers}
        found = self._reached(rows, themselves)
        # A package gives its users what it imports itself.
        hidden = rows[~np.isin(rows, list(found))]
        passing = self._reached(self._packages(hidden), themselves)
        return found | self._reached(hidden, passing)

    def _reached(self, rows: Ints, given: Mapping[int, _Rows]) -> dict[int, _Rows]:
        """Return all that a row gets from files which it imports, given what each file has."""
        links = self._index.links
        has_something = np.zeros(self._index.corpus.file_count, dtype=bool)
        has_something[list(given)] = True
        at = np.flatnonzero(has_something[links.files])
        of_groups = np.searchsorted(links.first, at, side="right") - 1
        groups = _united(of_groups, links.files[at], given)
        users, imported = self._imports(rows)
        is_giving = np.zeros(len(links.first) - 1, dtype=bool)
        is_giving[of_groups] = True
        kept = is_giving[imported]
        return _united(users[kept], imported[kept], groups)

    def _packages(self, rows: Ints) -> Ints:
        """Return those of the files which rows import that stand for their folders."""
        links, paths = self._index.links, self._index.corpus.paths
        groups = distinct(self._imports(rows)[1])
        sizes = np.diff(links.first)[groups]
        files = distinct(links.files[ranges(links.first[groups], sizes)])
        return np.array(
            [
                file
                for file in files.tolist()
                if posixpath.basename(paths[file]).startswith(_PACKAGE_FILES)
            ],
            dtype=np.int64,
        )

    def _imports(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return pairs of a row and the group of files that one of its imports means."""
        first = self._index.corpus.columns.import_first
        counts = first[rows + 1] - first[rows]
        return np.repeat(rows, counts), self._index.links.groups[ranges(first[rows], counts)]


def _telling(rows: Sequence[int]) -> _Rows:
    return tuple(rows) if len(rows) <= _MOST_MEANT else ()


def _united(keys: Ints, parts: Ints, given: Mapping[int, _Rows]) -> dict[int, _Rows]:
    """Return the rows given for all parts of each key, none twice; equal keys follow one another.

    Where there are more than can tell anything, some of them are left out.
    """
    united: dict[int, _Rows] = {}
    pairs = zip(keys.tolist(), parts.tolist(), strict=True)
    for key, of_key in groupby(pairs, itemgetter(0)):
        rows: dict[int, None] = {}
        for part in dict.fromkeys(part for _, part in of_key):
            rows.update(dict.fromkeys(given[part]))
            if len(rows) > _MOST_MEANT:
                break
        united[key] = tuple(rows)
    return united
