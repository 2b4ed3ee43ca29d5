"""Who uses what: the graph from files, through the names they use, to the files that define them.

An edge goes from a file to another for each name that the first uses and the second defines. Uses
of a name that the file itself defines stay in the file. What a name means is not resolved as a
compiler would: the weights hold how likely each reading is.

The weight of the uses of a name by a file is the product of

- the square root of the number of uses: the tenth use says less than the first;
- the name's telling power: inverse document frequency, log(1 + F / f) / log(1 + F) for a name that
  f of F files define, as in retrieval (Spärck Jones 1972);
- its form, `form_weight` in words.py, or 2 for a type's name that has no other.

That weight is shared among the files that define the name by how they relate to the user: 1 for
one that it imports, 0.6 (Go and Java, whose packages are folders: 1) for a file of the same folder,
0.25 for any other. Where the name is no compound, the part of its users that relate to a file which
defines it counts too (its square root for those, the whole for others): `append` is nearly always
the list's, whatever class of the project has one too; nearly all who say `settings` import it.
Definitions in tests and in vendored or generated code count a fifth where the user is neither.
Names that more than 20 files define only count where an import says which is meant, and those that
more than 200 define not at all.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolmesh_outlines.languages import language_named
from toolmesh_outlines.outline import CONTAINER_KINDS, Kind
from toolmesh_repomap.corpus import KINDS, Corpus, language_name
from toolmesh_repomap.import_links import ImportLinks
from toolmesh_repomap.integer_sorting import stable_order
from toolmesh_repomap.paths import Role
from toolmesh_repomap.string_table import Ints

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

_IMPORTED, _SAME_FOLDER, _UNRELATED = 1.0, 0.6, 0.25
_SIDE_FACTOR = 0.2
_LEAST_EVIDENCE = 0.05
_MOST_DEFINERS = 20
_MOST_IMPORTED_DEFINERS = 200
_FOLDER_IS_PACKAGE = frozenset({"go", "java"})
# A constructor is called by its class's name, and an implementation block defines no name.
_UNNAMED_KINDS = frozenset({Kind.CONSTRUCTOR, Kind.IMPLEMENTATION})
_MEMBER_KINDS = frozenset({Kind.METHOD, Kind.PROPERTY})
_TYPE_KINDS = (CONTAINER_KINDS - {Kind.MODULE}) | {Kind.TYPE}
# How many readings, and cells of users by files, are weighed at once: bounds the memory.
_CHUNK_READINGS = 2**18
_CHUNK_CELLS = 2**23
_THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceGraph:
    """The graph as arrays over the rows, symbols and definitions of a corpus.

    Place p is one file that defines one symbol: `place_symbols[p]` in row `place_rows[p]`, sorted
    by both; those of symbol s begin at `place_first[s]`. `definition_places` holds the place of
    each definition, -1 for none, and `place_uses` the weight of the uses of a place in its own
    file. The edges of row r are those from `edge_first[r]` on: each ends at the place
    `edge_places[e]` and has the weight `edge_weights[e]`. `voices` is how much each row counts as a
    user.
    """

    place_symbols: Ints
    place_rows: Ints
    place_first: Ints
    place_uses: Floats
    definition_places: Ints
    edge_first: Ints
    edge_places: Ints
    edge_weights: Floats
    voices: Floats
    reference_count: int

    def places_of(self, symbol: int) -> range:
        """Return the places that define a symbol."""
        return range(self.place_first.item(symbol), self.place_first.item(symbol + 1))


def build_graph(corpus: Corpus, links: ImportLinks) -> ReferenceGraph:
    """Return the graph of a corpus. Takes about 30 ms for a thousand files."""
    places = _places(corpus)
    weights = _symbol_weights(corpus, places)
    uses = _uses(corpus, places)
    readings = _readings(corpus, links, places, uses)
    relations = _weighed_relations(corpus, places, uses, readings, weights.form)
    totals = np.bincount(readings.uses, weights=relations, minlength=len(uses.rows))
    # Among readings the weight is parted by relation; it is also less where even the best relation
    # is weak, hence the square.
    shares = relations**2 / totals[readings.uses]
    use_weights = weights.total[uses.symbols] * np.sqrt(uses.counts)
    edge_weights = (use_weights[readings.uses] * shares).astype(np.float32)
    edge_rows = uses.rows[readings.uses]
    outflow = np.bincount(edge_rows, weights=edge_weights, minlength=corpus.file_count)
    own = np.flatnonzero(uses.own_places >= 0)
    return ReferenceGraph(
        place_symbols=places.symbols,
        place_rows=places.rows,
        place_first=places.first,
        place_uses=np.bincount(
            uses.own_places[own], weights=use_weights[own], minlength=len(places.rows)
        ).astype(np.float32),
        definition_places=places.of_definitions,
        edge_first=np.searchsorted(edge_rows, np.arange(corpus.file_count + 1)),
        edge_places=readings.places,
        edge_weights=edge_weights,
        voices=np.sqrt(outflow) * np.where(_is_side(corpus), _SIDE_FACTOR, 1.0),
        reference_count=int(uses.counts.sum()),
    )


def sums(values: Floats, groups: Ints, count: int) -> Floats:
    """Return the sum of the values of each of `count` groups; value i is in group `groups[i]`."""
    return np.bincount(groups, weights=values, minlength=count).astype(np.float64, copy=False)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """Return the numbers of each range, one range after the other."""
    ends = np.cumsum(counts)
    shifts = (starts - ends + counts).astype(np.int32)
    return np.repeat(shifts, counts) + np.arange(ends[-1] if len(ends) else 0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class _Places:
    symbols: Ints
    rows: Ints
    first: Ints
    of_definitions: Ints
    can_stand_alone: Flags
    is_type: Flags

    def of(self, symbols: Ints, rows: Ints, row_count: int) -> Ints:
        """Return the place of each symbol in its row, -1 for none."""
        found = np.full(len(symbols), -1, dtype=np.int64)
        if not len(self.symbols):
            return found
        keys = self.symbols.astype(np.int64) * row_count + self.rows
        wanted = symbols.astype(np.int64) * row_count + rows
        # In order, they are found in half the time.
        order = np.argsort(wanted)
        wanted = wanted[order]
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found[order] = np.where(keys[at] == wanted, at, -1)
        return found


def _places(corpus: Corpus) -> _Places:
    columns = corpus.columns
    rows = columns.definition_row
    is_named = _of_kinds(columns.definition_kind, frozenset(KINDS) - _UNNAMED_KINDS)
    named = np.flatnonzero(is_named)
    # Stable: the rows of a symbol stay in order.
    order = stable_order(columns.definition_symbol[named])
    symbols, place_rows = columns.definition_symbol[named][order], rows[named][order]
    is_first = (np.diff(symbols, prepend=-1) | np.diff(place_rows, prepend=-1)) != 0
    of_definitions = np.full(len(rows), -1, dtype=np.int32)
    of_definitions[named[order]] = np.cumsum(is_first) - 1
    symbols, place_rows = symbols[is_first], place_rows[is_first]
    implicit = np.array(
        [number > 0 and language_named(language_name(number)).implicit_receiver
         for number in range(int(corpus.languages.max(initial=0)) + 1)]
    )  # fmt: skip
    stands_alone = implicit[corpus.languages[rows]] | ~_of_kinds(
        columns.definition_kind, _MEMBER_KINDS
    )
    can_stand_alone = np.zeros(len(symbols), dtype=bool)
    can_stand_alone[of_definitions[is_named & stands_alone]] = True
    is_type = np.zeros(len(corpus.symbols), dtype=bool)
    is_type[columns.definition_symbol[_of_kinds(columns.definition_kind, _TYPE_KINDS)]] = True
    return _Places(
        symbols=symbols,
        rows=place_rows,
        first=np.searchsorted(symbols, np.arange(len(corpus.symbols) + 1)),
        of_definitions=of_definitions,
        can_stand_alone=can_stand_alone,
        is_type=is_type,
    )


def _of_kinds(kinds: Ints, wanted: frozenset[Kind]) -> Flags:
    return np.array([kind in wanted for kind in KINDS])[kinds]


@dataclass(frozen=True, slots=True)
class _SymbolWeights:
    form: Floats
    total: Floats


def _symbol_weights(corpus: Corpus, places: _Places) -> _SymbolWeights:
    definers = np.diff(places.first)
    form = np.where((corpus.symbol_form == 1) & places.is_type, 2.0, corpus.symbol_form)
    total = max(int(np.count_nonzero(corpus.languages)), 1)
    return _SymbolWeights(form, form * np.log1p(total / np.maximum(definers, 1)) / np.log1p(total))


@dataclass(frozen=True, slots=True)
class _Uses:
    """Uses of what the tree defines, as columns; `own_places` is -1 where other files define it."""

    rows: Ints
    symbols: Ints
    counts: Floats
    is_member: Flags
    own_places: Ints


def _uses(corpus: Corpus, places: _Places) -> _Uses:
    columns = corpus.columns
    is_defined = np.diff(places.first) > 0
    at = np.flatnonzero(is_defined[columns.use_symbol])
    rows = np.repeat(np.arange(corpus.file_count, dtype=np.int32), np.diff(columns.use_first))[at]
    symbols = columns.use_symbol[at]
    return _Uses(
        rows=rows,
        symbols=symbols,
        counts=columns.use_count[at].astype(np.float64),
        is_member=columns.use_member[at],
        own_places=places.of(symbols, rows, max(corpus.file_count, 1)),
    )


@dataclass(frozen=True, slots=True)
class _Readings:
    """What uses may mean, as columns: use `uses[i]` the place `places[i]`, related so much."""

    uses: Ints
    places: Ints
    relations: Floats

    @classmethod
    def joined(cls, parts: "Sequence[_Readings]") -> "_Readings":
        return cls(
            np.concatenate([part.uses for part in parts]),
            np.concatenate([part.places for part in parts]),
            np.concatenate([part.relations for part in parts]),
        )

    @classmethod
    def none(cls) -> "_Readings":
        empty = np.zeros(0, dtype=np.int32)
        return cls(empty, empty, empty.astype(np.float32))


def _readings(corpus: Corpus, links: ImportLinks, places: _Places, uses: _Uses) -> _Readings:
    counts = np.diff(places.first)
    alone = np.bincount(places.symbols[places.can_stand_alone], minlength=len(counts))
    definers = np.where(uses.is_member, counts[uses.symbols], alone[uses.symbols])
    open_uses = np.flatnonzero(
        (uses.own_places < 0) & (definers > 0) & (definers <= _MOST_IMPORTED_DEFINERS)
    ).astype(np.int32)
    imports = _Imports(corpus, links)
    folders = _folders(corpus)
    beside = np.array(
        [_IMPORTED if language_name(number) in _FOLDER_IS_PACKAGE else _SAME_FOLDER
         for number in range(int(corpus.languages.max(initial=0)) + 1)],
        dtype=np.float32,
    )[corpus.languages]  # fmt: skip
    is_rare = definers <= _MOST_DEFINERS

    def read(chunk: Ints) -> _Readings:
        of_use, place = _pairs(chunk, places, uses, counts)
        users, targets = uses.rows[of_use], places.rows[place]
        is_imported = imports.among(users, targets)
        kept = np.flatnonzero(is_imported | is_rare[of_use])
        users, targets, is_imported = users[kept], targets[kept], is_imported[kept]
        relations = beside[users]
        relations[folders[users] != folders[targets]] = 0.0
        relations[is_imported] = _IMPORTED
        return _Readings(of_use[kept], place[kept], relations)

    sizes = counts[uses.symbols[open_uses]]
    chunks = _chunks(open_uses, sizes, uses.rows, imports.most_rows)
    # NumPy lets other threads run while it works.
    with ThreadPoolExecutor(_THREADS) as threads:
        return _Readings.joined([_Readings.none(), *threads.map(read, chunks)])


def _pairs(chunk: Ints, places: _Places, uses: _Uses, counts: Ints) -> tuple[Ints, Ints]:
    """Return uses with each place that has their name and can be used as they do."""
    symbols = uses.symbols[chunk]
    sizes = counts[symbols]
    of_use = np.repeat(chunk, sizes)
    place = ranges(places.first[symbols], sizes)
    kept = np.flatnonzero(np.repeat(uses.is_member[chunk], sizes) | places.can_stand_alone[place])
    return of_use[kept], place[kept]


def _chunks(uses: Ints, sizes: Ints, rows: Ints, most_rows: int) -> list[Ints]:
    """Part uses so that no part has too many readings, or too many users."""
    if not len(uses):
        return []
    parts = np.cumsum(sizes) // _CHUNK_READINGS + rows[uses] // most_rows * len(uses)
    return np.split(uses, np.flatnonzero(np.diff(parts)) + 1)


class _Imports:
    """Tells which rows import which, for some neighbouring rows at a time."""

    def __init__(self, corpus: Corpus, links: ImportLinks) -> None:
        self._first = corpus.columns.import_first
        self._links = links
        self._row_count = max(corpus.file_count, 1)
        self.most_rows = max(_CHUNK_CELLS // self._row_count, 1)

    def among(self, users: Ints, targets: Ints) -> Flags:
        """Tell of each user and target whether the one imports the other; users are sorted."""
        if not len(users):
            return np.zeros(0, dtype=bool)
        start, stop = users.item(0), users.item(-1) + 1
        cells = np.zeros((stop - start, self._row_count), dtype=bool)
        groups = self._links.groups[self._first[start] : self._first[stop]]
        importers = np.repeat(np.arange(stop - start), np.diff(self._first[start : stop + 1]))
        sizes = np.diff(self._links.first)[groups]
        files = self._links.files[ranges(self._links.first[groups], sizes)]
        cells[np.repeat(importers, sizes), files] = True
        # One number for each cell: half the time of two.
        return cells.ravel()[(users - start) * np.int32(self._row_count) + targets]


def _folders(corpus: Corpus) -> Ints:
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(path[: path.rfind("/") + 1], len(numbers)) for path in corpus.paths],
        dtype=np.int32,
    )


def _weighed_relations(
    corpus: Corpus, places: _Places, uses: _Uses, readings: _Readings, form: Floats
) -> Floats:
    """Return how much each reading's file relates to the user's: see the module's docstring."""
    relations = readings.relations
    is_other = uses.own_places < 0
    related = np.zeros(len(uses.rows), dtype=bool)
    related[readings.uses[relations > 0]] = True
    users = np.bincount(uses.symbols[is_other], minlength=len(form))
    evidence = np.bincount(uses.symbols[related], minlength=len(form)) / np.maximum(users, 1)
    evidence = np.where(form > 1, 1.0, np.maximum(evidence, _LEAST_EVIDENCE))
    evidence = evidence[uses.symbols[readings.uses]]
    relations = np.where(relations > 0, relations * np.sqrt(evidence), _UNRELATED * evidence)
    is_side = _is_side(corpus)
    side = is_side[places.rows[readings.places]] & ~is_side[uses.rows[readings.uses]]
    relations[side] *= _SIDE_FACTOR
    return relations


def _is_side(corpus: Corpus) -> Flags:
    return corpus.roles != Role.CODE
