"""Finds the files that use a name, and which of its definitions they probably mean.

What a use means is told by what the file imports and by where it lies, as in reference_graph.py,
but for one name at a time: so the reason of each can be told.
"""

import posixpath
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from toolmesh_repomap.definition_search import NameQuestion, search_definitions
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.integer_sorting import distinct
from toolmesh_repomap.paths import Role
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.symbol_names import read_name, similar_names, symbols_of
from toolmesh_repomap.use_readings import ranges


class Basis(IntEnum):
    """What tells which definition is meant, the strongest first."""

    IMPORT = 1
    SAME_FILE = 2
    SAME_FOLDER = 3
    NAME = 4


@dataclass(frozen=True, slots=True)
class UsingFile:
    """A file that uses a symbol so often, and the rows whose definition it probably means."""

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

    def _readings(self, rows: Ints) -> dict[int, tuple[Basis, tuple[int, ...]]]:
        imported = self._imported(rows)
        beside: dict[str, list[int]] = {}
        for row in self._definers:
            beside.setdefault(self._folder(row), []).append(row)
        own = set(self._definers)
        only = tuple(self._definers) if len(self._definers) == 1 else ()
        readings: dict[int, tuple[Basis, tuple[int, ...]]] = {}
        for row in rows.tolist():
            if row in own:
                readings[row] = Basis.SAME_FILE, (row,)
            elif row in imported:
                readings[row] = Basis.IMPORT, tuple(imported[row])
            elif neighbours := beside.get(self._folder(row)):
                readings[row] = Basis.SAME_FOLDER, tuple(neighbours)
            else:
                readings[row] = Basis.NAME, only
        return readings

    def _folder(self, row: int) -> str:
        return posixpath.dirname(self._index.corpus.paths[row])

    def _imported(self, rows: Ints) -> dict[int, list[int]]:
        """Return the definers that each row imports, by row."""
        is_definer = np.zeros(self._index.corpus.file_count, dtype=bool)
        is_definer[self._definers] = True
        users, files = self._imports(rows)
        found: dict[int, list[int]] = {}
        for user, file in _pairs(users, files, is_definer[files]):
            found.setdefault(user, []).append(file)
        # A package gives its users what it imports itself.
        hidden = ~np.isin(users, list(found))
        packages = distinct(files[hidden])
        passing: dict[int, list[int]] = {}
        for package, file in _pairs(*self._imports_with(packages, is_definer)):
            if posixpath.basename(self._index.corpus.paths[package]).startswith(_PACKAGE_FILES):
                passing.setdefault(package, []).append(file)
        is_passing = np.zeros(len(is_definer), dtype=bool)
        is_passing[list(passing)] = True
        for user, package in _pairs(users, files, hidden & is_passing[files]):
            found.setdefault(user, []).extend(passing[package])
        return found

    def _imports_with(self, rows: Ints, wanted: Ints) -> tuple[Ints, Ints, Ints]:
        users, files = self._imports(rows)
        return users, files, wanted[files]

    def _imports(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return pairs of a row and a file that it imports."""
        first, links = self._index.corpus.columns.import_first, self._index.links
        counts = first[rows + 1] - first[rows]
        groups = links.groups[ranges(first[rows], counts)]
        sizes = np.diff(links.first)[groups]
        users = np.repeat(np.repeat(rows, counts), sizes)
        return users, links.files[ranges(links.first[groups], sizes)]


_PACKAGE_FILES = ("__init__.", "index.", "mod.", "lib.")


def _pairs(users: Ints, files: Ints, kept: Ints) -> list[tuple[int, int]]:
    pairs = dict.fromkeys(zip(users[kept].tolist(), files[kept].tolist(), strict=True))
    return list(pairs)
