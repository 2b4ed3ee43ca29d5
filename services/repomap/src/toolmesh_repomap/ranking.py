"""Ranks files and definitions by what leans on them, and by what a request is about.

Files are ranked by PageRank (Brin and Page, "The Anatomy of a Large-Scale Hypertextual Web Search
Engine", 1998) over the reference graph: a reader who follows uses to definitions ends up in a file
as often as its rank says. Now and then the reader starts anew; where is the personalisation. By
default it is any file, by the square root of the weight of what it uses, so that a hundred tiny
files do not outvote the large ones; tests and generated code count a fifth.

PageRank is linear in where the reader starts (Haveliwala, "Topic-Sensitive PageRank", 2002; Jeh and
Widom, "Scaling Personalized Web Search", 2003). So the ranks of the default start are worked out
once an index. A request adds those of its own start files, which are few: what they pass on is
followed until it is next to nothing (as Andersen, Chung and Lang, "Local Graph Partitioning using
PageRank Vectors", 2006), which takes as long as their neighbourhood is large, not the tree.

A definition's score is the rank that flows into it: what each file passes on over the edges that
end at its name, parted among the definitions of that name in its file. A class gets 0.7 of what its
members get on top. Constructors have no name of their own and take after their class. What no one
uses gets next to nothing, but more in an important file, and more when it is public.
"""

from dataclasses import dataclass

import numpy as np

from toolmesh_outlines.outline import CONTAINER_KINDS, MAX_DEPTH, Kind
from toolmesh_repomap.corpus import KINDS, Corpus
from toolmesh_repomap.integer_sorting import stable_order
from toolmesh_repomap.reference_graph import ReferenceGraph
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.use_readings import Floats, members

# A reader of code follows fewer links than one of the web, to whom 0.85 is fitted: 2.5 on average.
# More would end in leaf functions far too often.
_DAMPING = 0.6
# The weight at which a file passes on half of its rank. Without it, a file whose one doubtful use
# is all it has would give all of its rank to that.
_HALF_WEIGHT = 10.0
_TOLERANCE = 1e-7
_MOST_ROUNDS = 60
# What is left to be passed on in a request's own neighbourhood is dropped below this.
_NEGLIGIBLE = 1e-5
_MOST_STEPS = 12
_CONSTRUCTOR_SHARE = 0.2
_MEMBER_SHARE = 0.7
_OWN_USE_SHARE = 0.1
_UNUSED_SHARE = 1e-4
_PRIVATE_FACTOR = 0.2
_ROLE_FACTORS = np.array([1.0, 0.3, 0.1, 0.1, 0.3])


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """How important things are: a score for each row of a corpus, and for each definition."""

    files: Floats
    definitions: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Steering:
    """What a request is about.

    `start` is a weight for each row where the reader starts, and `share` how much of the ranks
    comes from there. The scores are added to what flows into places, definitions and files.
    Rows in `wanted` are not ranked down for being tests or the like.
    """

    start: Floats
    share: float
    place_scores: Floats | float
    definition_scores: Floats | float
    file_scores: Floats | float
    wanted: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """Edges between the same two files as one; weights are parts of a file's rank."""

    first: Ints
    targets: Ints
    weights: Floats


class Ranker:
    """Ranks one corpus; making it works out what all requests share."""

    def __init__(self, corpus: Corpus, graph: ReferenceGraph) -> None:
        self._corpus = corpus
        self._graph = graph
        edge_counts = np.diff(graph.edge_first)
        edge_rows = np.repeat(np.arange(corpus.file_count), edge_counts)
        outflow = np.bincount(edge_rows, graph.edge_weights, minlength=corpus.file_count)
        self._outflow = outflow + _HALF_WEIGHT
        own = np.bincount(graph.place_rows, graph.place_uses, minlength=corpus.file_count)
        self._own_use_shares = _OWN_USE_SHARE / (self._outflow + own)
        self._links = _links(graph, edge_rows, self._outflow)
        start = graph.voices if graph.voices.any() else np.ones(corpus.file_count)
        self._ranks = _page_rank(self._links, start / max(start.sum(), 1.0))
        self._place_flows = self._flows_of_all(edge_rows)
        self._nesting = _Nesting(corpus, graph)

    def rank(self, steering: Steering | None = None) -> Ranking:
        """Rank the files and definitions, for a request that is about something or for none."""
        corpus, graph = self._corpus, self._graph
        ranks, places = self._ranks, self._place_flows
        factors = _ROLE_FACTORS[corpus.roles]
        if steering is not None:
            near = _near_ranks(self._links, steering.start)
            ranks = (1 - steering.share) * ranks + steering.share * near
            places = (1 - steering.share) * places + steering.share * self._flows_of(near)
            places += steering.place_scores
            factors[steering.wanted] = 1.0
        files = factors * np.bincount(graph.place_rows, places, minlength=corpus.file_count)
        definitions = self._nesting.definition_scores(places, ranks)
        definitions *= factors.take(corpus.columns.definition_row)
        if steering is not None:
            definitions += steering.definition_scores
            files += steering.file_scores
        # Sums depend a little on the order of symbols, which is not the same in every index of a
        # snapshot: with fewer digits, what is equal stays equal.
        return Ranking(files=files.astype(np.float32), definitions=definitions.astype(np.float32))

    def _flows_of_all(self, edge_rows: Ints) -> Floats:
        passed = self._ranks / self._outflow
        flows = np.bincount(
            self._graph.edge_places,
            passed[edge_rows] * self._graph.edge_weights,
            minlength=len(self._graph.place_rows),
        )
        return flows + self._own_use_scores(self._ranks)

    def _flows_of(self, ranks: Floats) -> Floats:
        """Return what files pass on to places; only those with a rank are looked at."""
        graph = self._graph
        rows = np.flatnonzero(ranks)
        edges, counts = members(graph.edge_first, rows)
        passed = np.repeat((ranks / self._outflow).take(rows), counts)
        flows = np.bincount(
            graph.edge_places.take(edges),
            passed * graph.edge_weights.take(edges),
            minlength=len(graph.place_rows),
        )
        return flows + self._own_use_scores(ranks)

    def _own_use_scores(self, ranks: Floats) -> Floats:
        """Return what uses in a place's own file add: it tells the definitions of a file apart."""
        passed = ranks * self._own_use_shares
        return passed.take(self._graph.place_rows) * self._graph.place_uses


def _links(graph: ReferenceGraph, edge_rows: Ints, outflow: Floats) -> _Links:
    row_count = len(outflow)
    targets = graph.place_rows[graph.edge_places]
    keys = edge_rows * row_count + targets
    order = stable_order(keys)
    at = np.flatnonzero(np.diff(keys[order], prepend=-1))
    if not len(at):
        return _Links(np.zeros(row_count + 1, dtype=np.int64), keys, np.zeros(0))
    sources = edge_rows[order[at]]
    weights = np.add.reduceat(graph.edge_weights[order].astype(np.float64), at) / outflow[sources]
    return _Links(
        first=np.searchsorted(sources, np.arange(row_count + 1)),
        targets=targets[order[at]],
        weights=weights.astype(np.float32),
    )


def _page_rank(links: _Links, start: Floats) -> Floats:
    """Return the stationary probabilities, by power iteration.

    What a file does not pass on goes to the start files.
    """
    counts = np.diff(links.first)
    # What `bincount` would make of them in every round.
    targets = links.targets.astype(np.int64)
    ranks = start
    for _ in range(_MOST_ROUNDS):
        passed = np.repeat(ranks, counts) * links.weights
        following = _DAMPING * np.bincount(targets, passed, minlength=len(start))
        following += (1 - following.sum()) * start
        if np.abs(following - ranks).sum() < _TOLERANCE:
            return following
        ranks = following
    return ranks


def _near_ranks(links: _Links, start: Floats) -> Floats:
    """Return the ranks when the reader starts at few files; they sum to 1, or to 0 for no start."""
    total = start.sum()
    if not total:
        return np.zeros_like(start)
    ranks = start / total
    rows = np.flatnonzero(ranks > _NEGLIGIBLE)
    passing = ranks
    for _ in range(_MOST_STEPS):
        if not len(rows):
            break
        edges, counts = members(links.first, rows)
        passed = np.repeat(passing.take(rows), counts) * links.weights.take(edges)
        passing = _DAMPING * np.bincount(links.targets.take(edges), passed, minlength=len(start))
        rows = np.flatnonzero(passing > _NEGLIGIBLE)
        ranks = ranks + passing
    return ranks / ranks.sum()


class _Nesting:
    """How definitions lie in each other, and what that does to their scores."""

    def __init__(self, corpus: Corpus, graph: ReferenceGraph) -> None:
        columns = corpus.columns
        counts = np.diff(columns.definition_first)
        rows, parents = columns.definition_row, columns.definition_outer
        kinds = columns.definition_kind
        is_constructor = (kinds == KINDS.index(Kind.CONSTRUCTOR)) & (parents >= 0)
        self._rows = rows
        named = np.flatnonzero(graph.definition_places >= 0)
        # What has no name of its own has no part in any place.
        self._places = np.maximum(graph.definition_places, 0)
        self._parts = np.zeros(len(rows), dtype=np.float32)
        # The first is what most mean: the others are an implementation for each type, or overloads.
        self._parts[named] = 1 / (_ordinals(self._places[named]) + 1.0) ** 2
        self._constructors = np.flatnonzero(is_constructor)
        self._classes = parents[self._constructors]
        siblings = np.bincount(self._classes, minlength=len(rows))
        self._constructor_shares = _CONSTRUCTOR_SHARE / siblings[self._classes]
        self._levels = _levels(parents, is_constructor)
        is_container = np.array([kind in CONTAINER_KINDS for kind in KINDS])[kinds]
        is_private = corpus.symbol_form[columns.definition_symbol] < _PRIVATE_FACTOR
        self._unused = (
            _UNUSED_SHARE
            * np.where(is_private, _PRIVATE_FACTOR, 1.0)
            * np.where(is_container, 2.0, 1.0)
            / counts[rows]
        ).astype(np.float32)

    def definition_scores(self, places: Floats, ranks: Floats) -> Floats:
        """Return the score of each definition, given those of the places."""
        scores = ranks.take(self._rows) * self._unused
        if len(places):
            scores += places.take(self._places) * self._parts
        for children, parents in self._levels:
            passed = _MEMBER_SHARE * scores.take(children)
            scores += np.bincount(parents, passed, minlength=len(scores))
        if len(self._constructors):
            scores[self._constructors] += scores[self._classes] * self._constructor_shares
        return scores


def _levels(parents: Ints, is_constructor: Ints) -> list[tuple[Ints, Ints]]:
    """Return (children, parents) for each depth, the deepest first; without constructors."""
    levels: list[tuple[Ints, Ints]] = []
    depths = np.zeros(len(parents), dtype=np.int32)
    inner = np.flatnonzero(parents >= 0)
    for _ in range(MAX_DEPTH):
        # A parent stands before its children, so depths grow by one a round.
        deeper = depths[parents[inner]] + 1
        inner = inner[deeper > depths[inner]]
        depths[inner] = depths[parents[inner]] + 1
        if not len(inner):
            break
    for depth in range(int(depths.max(initial=0)), 0, -1):
        children = np.flatnonzero((depths == depth) & ~is_constructor)
        levels.append((children, parents[children]))
    return levels


def _ordinals(values: Ints) -> Ints:
    """Return how many equal values stand before each value."""
    order = stable_order(values)
    ordered = values[order]
    is_first = np.diff(ordered, prepend=-1) != 0
    positions = np.arange(len(values))
    ordinals = np.empty_like(positions)
    ordinals[order] = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    return ordinals
