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

from dataclasses import dataclass

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.import_links import ImportLinks
from toolmesh_repomap.paths import Role
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.use_readings import (
    Flags,
    Floats,
    KnownReadings,
    Places,
    Readings,
    Uses,
    places_of,
    readings_of,
    uses_of,
)

_UNRELATED = 0.25
_SIDE_FACTOR = 0.2
_LEAST_EVIDENCE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceGraph:
    """The graph as arrays over the rows, symbols and definitions of a corpus.

    Place p is one file that defines one symbol: `place_symbols[p]` in row `place_rows[p]`, sorted
    by both; those of symbol s begin at `place_first[s]`. `definition_places` holds the place of
    each definition, -1 for none, and `place_uses` the weight of the uses of a place in its own
    file. The edges of row r are those from `edge_first[r]` on: each ends at the place
    `edge_places[e]` and has the weight `edge_weights[e]`. `voices` is how much each row counts as a
    user. From `readings`, those of the next corpus are made.
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
    readings: KnownReadings

    def places_of(self, symbol: int) -> range:
        """Return the places that define a symbol."""
        return range(self.place_first.item(symbol), self.place_first.item(symbol + 1))


def build_graph(
    corpus: Corpus, links: ImportLinks, known: KnownReadings | None = None
) -> ReferenceGraph:
    """Return the graph of a corpus; `known` are the readings of another, for what it shares.

    Takes about 30 ms for a thousand files.
    """
    places = places_of(corpus)
    weights = _symbol_weights(corpus, places)
    uses = uses_of(corpus, places)
    readings = readings_of(corpus, links, places, uses, known)
    relations = _weighed_relations(corpus, places, uses, readings, weights.form)
    totals = np.bincount(readings.uses, weights=relations, minlength=len(uses.rows))
    use_weights = weights.total[uses.symbols] * np.sqrt(uses.counts)
    # Among readings the weight is parted by relation; it is also less where even the best relation
    # is weak, hence the square. There are millions, so all is done in one array.
    edge_weights = relations
    edge_weights *= relations
    edge_weights /= totals.astype(np.float32)[readings.uses]
    edge_weights *= use_weights.astype(np.float32)[readings.uses]
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
        readings=KnownReadings.of(corpus, places, uses, readings),
    )


def sums(values: Floats, groups: Ints, count: int) -> Floats:
    """Return the sum of the values of each of `count` groups; value i is in group `groups[i]`."""
    return np.bincount(groups, weights=values, minlength=count).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class _SymbolWeights:
    form: Floats
    total: Floats


def _symbol_weights(corpus: Corpus, places: Places) -> _SymbolWeights:
    definers = np.diff(places.first)
    form = np.where((corpus.symbol_form == 1) & places.is_type, 2.0, corpus.symbol_form)
    total = max(int(np.count_nonzero(corpus.languages)), 1)
    return _SymbolWeights(form, form * np.log1p(total / np.maximum(definers, 1)) / np.log1p(total))


def _weighed_relations(
    corpus: Corpus, places: Places, uses: Uses, readings: Readings, form: Floats
) -> Floats:
    """Return how much each reading's file relates to the user's: see the module's docstring."""
    relations = readings.relations
    is_other = uses.own_places < 0
    related = np.zeros(len(uses.rows), dtype=bool)
    related[readings.uses[relations > 0]] = True
    users = np.bincount(uses.symbols[is_other], minlength=len(form))
    evidence = np.bincount(uses.symbols[related], minlength=len(form)) / np.maximum(users, 1)
    evidence = np.where(form > 1, 1.0, np.maximum(evidence, _LEAST_EVIDENCE))
    evidence = evidence.astype(np.float32)[uses.symbols[readings.uses]]
    relations = np.where(relations > 0, relations * np.sqrt(evidence), _UNRELATED * evidence)
    is_side = _is_side(corpus)
    side = is_side[places.rows[readings.places]] & ~is_side[uses.rows[readings.uses]]
    relations[side] *= _SIDE_FACTOR
    return relations


def _is_side(corpus: Corpus) -> Flags:
    return corpus.roles != Role.CODE
