"""What uses of names may mean: the places that define them, and how the two files relate.

Those of a tree that was changed a little are made from those before: only the uses in files that
changed are looked up, and those of names that these files define now and did not, or the other way
round.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolmesh_outlines.languages import language_named
from toolmesh_outlines.outline import CONTAINER_KINDS, Kind
from toolmesh_repomap.corpus import KINDS, Corpus, language_name
from toolmesh_repomap.import_links import ImportLinks
from toolmesh_repomap.integer_sorting import distinct, stable_order
from toolmesh_repomap.string_table import Ints

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

_IMPORTED, _SAME_FOLDER = 1.0, 0.6
_MOST_DEFINERS = 20
_MOST_IMPORTED_DEFINERS = 200
_FOLDER_IS_PACKAGE = frozenset({"go", "java"})
# A constructor is called by its class's name, and an implementation block defines no name.
_UNNAMED_KINDS = frozenset({Kind.CONSTRUCTOR, Kind.IMPLEMENTATION})
_MEMBER_KINDS = frozenset({Kind.METHOD, Kind.PROPERTY})
_TYPE_KINDS = (CONTAINER_KINDS - {Kind.MODULE}) | {Kind.TYPE}
# How many readings, cells of users by files, and files that imports may mean, are looked at at
# once: bounds the memory.
_CHUNK_READINGS = 2**18
_CHUNK_CELLS = 2**23
_CHUNK_TARGETS = 2**20
_THREADS = 2


def ranges(starts: Ints, counts: Ints) -> Ints:
    """Return the numbers of each range, one range after the other."""
    numbers = (starts + counts - counts.cumsum()).astype(np.int32).repeat(counts)
    numbers += np.arange(len(numbers), dtype=np.int32)
    return numbers


def members(first: Ints, groups: Ints) -> tuple[Ints, Ints]:
    """Return the members of groups, one group after the other, and how many each group has.

    Those of group g are the numbers from `first[g]` to `first[g + 1]`.
    """
    starts = first.take(groups)
    counts = first.take(groups + 1) - starts
    return ranges(starts, counts), counts


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a corpus, as `ReferenceGraph` has them.

    `can_stand_alone` tells of each place whether a use that is no member can mean it, `is_type` of
    each symbol whether it names a type.
    """

    symbols: Ints
    rows: Ints
    first: Ints
    of_definitions: Ints
    can_stand_alone: Flags
    is_type: Flags

    def of(self, symbols: Ints, rows: Ints, row_count: int) -> Ints:
        """Return the place of each symbol in its row, -1 for none."""
        found = np.full(len(symbols), -1, dtype=np.int32)
        if not len(self.symbols):
            return found
        keys = self.symbols.astype(np.int64) * row_count + self.rows
        wanted = symbols.astype(np.int64) * row_count + rows
        # In order, they are found in half the time.
        order = stable_order(wanted)
        wanted = wanted[order]
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found[order] = np.where(keys[at] == wanted, at, -1)
        return found


def places_of(corpus: Corpus) -> Places:
    """Return what each file defines."""
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
    return Places(
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
class Uses:
    """Uses of what the tree defines, as columns; `own_places` is -1 where other files define it."""

    rows: Ints
    symbols: Ints
    counts: Floats
    is_member: Flags
    own_places: Ints


def uses_of(corpus: Corpus, places: Places) -> Uses:
    """Return the uses of what has a place."""
    columns = corpus.columns
    is_defined = np.diff(places.first) > 0
    at = np.flatnonzero(is_defined[columns.use_symbol])
    rows = np.repeat(np.arange(corpus.file_count, dtype=np.int32), np.diff(columns.use_first))[at]
    symbols = columns.use_symbol[at]
    return Uses(
        rows=rows,
        symbols=symbols,
        counts=columns.use_count[at].astype(np.float64),
        is_member=columns.use_member[at],
        own_places=places.of(symbols, rows, max(corpus.file_count, 1)),
    )


@dataclass(frozen=True, slots=True)
class Readings:
    """What uses may mean, as columns: use `uses[i]` the place `places[i]`, related so much."""

    uses: Ints
    places: Ints
    relations: Floats

    @classmethod
    def joined(cls, parts: "Sequence[Readings]") -> "Readings":
        """Return the readings of all parts, one after the other."""
        return cls(
            np.concatenate([part.uses for part in parts]),
            np.concatenate([part.places for part in parts]),
            np.concatenate([part.relations for part in parts]),
        )

    @classmethod
    def none(cls) -> "Readings":
        """Return no readings."""
        empty = np.zeros(0, dtype=np.int32)
        return cls(empty, empty, empty.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class KnownReadings:
    """The readings of a corpus, and what those of the next one are made from with them."""

    corpus: Corpus
    place_symbols: Ints
    place_rows: Ints
    can_stand_alone: Flags
    use_symbols: Ints
    use_rows: Ints
    readings: Readings

    @classmethod
    def of(cls, corpus: Corpus, places: Places, uses: Uses, readings: Readings) -> "KnownReadings":
        """Keep no more than is needed: an index of a large tree has millions of uses."""
        return cls(
            corpus=corpus,
            place_symbols=places.symbols,
            place_rows=places.rows,
            can_stand_alone=places.can_stand_alone,
            use_symbols=uses.symbols,
            use_rows=uses.rows,
            readings=readings,
        )

    def renumbered(self, numbers: Ints) -> "KnownReadings":
        """Return these with other numbers of symbols: of those that are gone, the one after all."""
        return replace(
            self,
            place_symbols=numbers[self.place_symbols],
            use_symbols=numbers[self.use_symbols],
        )

    def serves(self, corpus: Corpus) -> bool:
        """Tell whether a corpus has the same files: their contents may differ."""
        known = self.corpus
        return known.paths == corpus.paths and np.array_equal(known.languages, corpus.languages)


def readings_of(
    corpus: Corpus,
    links: ImportLinks,
    places: Places,
    uses: Uses,
    known: KnownReadings | None = None,
) -> Readings:
    """Return the readings of all uses; `known` are those of another corpus, for what it shares.

    The symbols that both corpora have are in the same order, and `known` has the new numbers.
    """
    if known is None or not known.serves(corpus):
        return _readings_of(np.arange(len(uses.rows)), corpus, links, places, uses)
    carried = _Carried.over(corpus, places, uses, known)
    new = _readings_of(carried.other_uses, corpus, links, places, uses)
    at = np.searchsorted(carried.readings.uses, new.uses)
    return Readings(
        np.insert(carried.readings.uses, at, new.uses),
        np.insert(carried.readings.places, at, new.places),
        np.insert(carried.readings.relations, at, new.relations),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Carried:
    """What is as it was in the corpus before, and the uses that may not be."""

    readings: Readings
    other_uses: Ints

    @classmethod
    def over(cls, corpus: Corpus, places: Places, uses: Uses, known: KnownReadings) -> "_Carried":
        pairs = zip(corpus.digests, known.corpus.digests, strict=True)
        has_changed = np.array([digest != before for digest, before in pairs], dtype=bool)
        is_other = _redefined(places, known, has_changed)
        # What is left is the same in both, in the same order.
        kept_places = np.flatnonzero(~is_other[places.symbols])
        known_places = np.flatnonzero(~is_other[known.place_symbols])
        place_numbers = np.full(len(known.place_symbols), -1, dtype=np.int32)
        place_numbers[known_places] = kept_places
        is_kept = ~(is_other[uses.symbols] | has_changed[uses.rows])
        known_uses = np.flatnonzero(~(is_other[known.use_symbols] | has_changed[known.use_rows]))
        use_numbers = np.full(len(known.use_symbols), -1, dtype=np.int32)
        use_numbers[known_uses] = np.flatnonzero(is_kept)
        numbers = use_numbers[known.readings.uses]
        kept = numbers >= 0
        readings = Readings(
            numbers[kept],
            place_numbers[known.readings.places[kept]],
            known.readings.relations[kept],
        )
        return cls(readings, np.flatnonzero(~is_kept))


def _redefined(places: Places, known: KnownReadings, has_changed: Flags) -> Flags:
    """Tell of each symbol whether files that changed define it now and did not, or otherwise.

    The last flag is of all symbols that are gone.
    """
    row_count = max(len(has_changed), 1)

    def keys(symbols: Ints, rows: Ints, can_stand_alone: Flags) -> Ints:
        at = np.flatnonzero(has_changed[rows])
        kinds = symbols[at].astype(np.int64) * 2 + can_stand_alone[at]
        return kinds * row_count + rows[at]

    now = keys(places.symbols, places.rows, places.can_stand_alone)
    # Symbols that are gone have one number.
    before = distinct(keys(known.place_symbols, known.place_rows, known.can_stand_alone))
    is_other = np.zeros(len(places.is_type) + 1, dtype=bool)
    is_other[np.setxor1d(now, before, assume_unique=True) // row_count // 2] = True
    return is_other


def _readings_of(
    some_uses: Ints, corpus: Corpus, links: ImportLinks, places: Places, uses: Uses
) -> Readings:
    """Return the readings of some uses, in order."""
    counts = np.diff(places.first)
    alone = np.bincount(places.symbols[places.can_stand_alone], minlength=len(counts))
    definers = np.where(uses.is_member, counts[uses.symbols], alone[uses.symbols])
    is_open = (uses.own_places < 0) & (definers > 0) & (definers <= _MOST_IMPORTED_DEFINERS)
    open_uses = some_uses[is_open[some_uses]].astype(np.int32)
    imports = _Imports(corpus, links)
    folders = _folders(corpus)
    beside = np.array(
        [_IMPORTED if language_name(number) in _FOLDER_IS_PACKAGE else _SAME_FOLDER
         for number in range(int(corpus.languages.max(initial=0)) + 1)],
        dtype=np.float32,
    )[corpus.languages]  # fmt: skip
    is_rare = definers <= _MOST_DEFINERS

    def read(chunk: Ints) -> Readings:
        of_use, place = _pairs(chunk, places, uses, counts)
        users, targets = uses.rows[of_use], places.rows[place]
        is_imported = imports.among(users, targets)
        kept = np.flatnonzero(is_imported | is_rare[of_use])
        users, targets, is_imported = users[kept], targets[kept], is_imported[kept]
        relations = beside[users]
        relations[folders[users] != folders[targets]] = 0.0
        relations[is_imported] = _IMPORTED
        return Readings(of_use[kept], place[kept], relations)

    sizes = counts[uses.symbols[open_uses]]
    chunks = _chunks(open_uses, sizes, uses.rows, imports.most_rows)
    # NumPy lets other threads run while it works.
    with ThreadPoolExecutor(_THREADS) as threads:
        return Readings.joined([Readings.none(), *threads.map(read, chunks)])


def _pairs(chunk: Ints, places: Places, uses: Uses, counts: Ints) -> tuple[Ints, Ints]:
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
        self._links = links
        self._row_count = max(corpus.file_count, 1)
        # Many imports of a file mean the same: one for each name that it takes from a module.
        group_count = len(links.first) - 1
        rows = np.repeat(np.arange(corpus.file_count), np.diff(corpus.columns.import_first))
        pairs = distinct(rows * group_count + links.groups)
        self._groups = pairs % group_count
        self._rows = pairs // group_count
        self._first = np.searchsorted(self._rows, np.arange(corpus.file_count + 1))
        self.most_rows = max(_CHUNK_CELLS // self._row_count, 1)

    def among(self, users: Ints, targets: Ints) -> Flags:
        """Tell of each user and target whether the one imports the other; users are sorted."""
        if not len(users):
            return np.zeros(0, dtype=bool)
        start, stop = users.item(0), users.item(-1) + 1
        cells = np.zeros((stop - start, self._row_count), dtype=bool)
        pairs = slice(self._first[start], self._first[stop])
        importers, groups = self._rows[pairs] - start, self._groups[pairs]
        starts, sizes = self._links.first[groups], np.diff(self._links.first)[groups]
        for part in _parts(sizes, _CHUNK_TARGETS):
            files = self._links.files[ranges(starts[part], sizes[part])]
            cells[np.repeat(importers[part], sizes[part]), files] = True
        # One number for each cell: half the time of two.
        return cells.ravel()[(users - start) * np.int32(self._row_count) + targets]


def _parts(sizes: Ints, most: int) -> list[slice]:
    """Part sizes so that none but the last of a part goes over `most` together."""
    ends = np.flatnonzero(np.diff(np.cumsum(sizes) // most, append=-1)) + 1
    return [slice(start, end) for start, end in pairwise([0, *ends.tolist()])]


def _folders(corpus: Corpus) -> Ints:
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(path[: path.rfind("/") + 1], len(numbers)) for path in corpus.paths],
        dtype=np.int32,
    )
