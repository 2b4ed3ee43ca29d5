"""A search from the request to the ranked hits: the service's one job, without gRPC."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.errors import SearchesBusy, SearchInvalid
from toolmesh_codesearch.index_keeper import IndexKeeper
from toolmesh_codesearch.indexing import SnapshotIndex
from toolmesh_codesearch.pattern_search import units_matching
from toolmesh_codesearch.queries import Query, read_query
from toolmesh_codesearch.ranking import MOST_HITS, Ranking, named_units, rank
from toolmesh_codesearch.selection import Filters, Selection
from toolmesh_codesearch.text_patterns import TextPattern
from toolmesh_codesearch.units import Unit
from toolmesh_codesearch.words import Vocabulary
from toolmesh_serving.call_limit import CallLimit

_RETRY_SECONDS = 1.0
_MOST_WORDS_SHOWN = 8
_KEPT_RESULTS = 64
# More threads finish no sooner, and the event loop, with every other call, waits for all of them.
_RANKED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """What to find, and where; `is_snippet` tells that the query is code to find the like of."""

    query: str = ""
    exact_text: str = ""
    regex: str = ""
    ignore_case: bool = False
    is_snippet: bool = False
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A hit: what it is, where, and why it was found."""

    path: str
    digest: bytes
    language: str
    unit: Unit
    score: float
    exact_name: bool
    matched_words: Sequence[str]
    meaning: float
    matched_lines: Sequence[int]


@dataclass(frozen=True, eq=False, slots=True)
class Ranked:
    """The hits of a search in order, and why each was found.

    `likeness` is of each hit in order, None when meanings were not compared. `lines` match a
    pattern, by unit.
    """

    query: Query
    ranking: Ranking
    word_weights: Mapping[int, float]
    likeness: NDArray[np.float32] | None
    lines: Mapping[int, Sequence[int]]


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """What a search found, and the index that tells more of it."""

    index: SnapshotIndex
    ranked: Ranked

    def __len__(self) -> int:
        return len(self.ranked.ranking.units)

    def found(self, place: int) -> FoundUnit:
        """Return the hit at a place in the order."""
        ranked, ranking = self.ranked, self.ranked.ranking
        number = int(ranking.units[place])
        columns = self.index.columns
        file = columns.files[int(columns.unit_files[number])]
        terms = self.index.word_scorer.terms_in(number, ranked.word_weights)[:_MOST_WORDS_SHOWN]
        return FoundUnit(
            path=file.path,
            digest=file.digest,
            language=file.language,
            unit=columns.unit(number),
            score=float(ranking.scores[place]),
            exact_name=number in ranking.exact,
            matched_words=[ranked.query.words[term] for term in terms],
            meaning=float(ranked.likeness[place]) if ranked.likeness is not None else 0.0,
            matched_lines=ranked.lines.get(number, ()),
        )


class QueryEmbedder(Protocol):
    """Gives the embedding of a query."""

    async def embed(self, text: str) -> NDArray[np.float32] | None:
        """Return a vector of length 1, or None when there is no model."""
        ...


class Searches:
    """Runs searches, so many at once and no more.

    The results of the last ones are kept, so that the next page goes on in the same order even when
    embeddings came in between.
    """

    def __init__(
        self,
        keeper: IndexKeeper,
        vocabulary: Vocabulary,
        embedder: QueryEmbedder,
        *,
        most_at_once: int,
    ) -> None:
        self._keeper = keeper
        self._vocabulary = vocabulary
        self._embedder = embedder
        self._turns = asyncio.Semaphore(_RANKED_AT_ONCE)
        self._limit = CallLimit(
            most_at_once, busy=SearchesBusy, work="searches", retry_seconds=_RETRY_SECONDS
        )
        self._kept: OrderedDict[tuple[str, bytes], Ranked] = OrderedDict()

    async def page(self, name: bytes, spec: SearchSpec, snapshot: CachedSnapshot) -> Result:
        """Return what a search found that is asked for its next page; `name` tells it from others.

        Raises what `run` raises.
        """
        kept = self._kept.get((snapshot.digest, name))
        if kept is None:
            return await self.run(name, spec, snapshot)
        index, _ = await self._keeper.index(snapshot)
        return Result(index, kept)

    async def run(self, name: bytes, spec: SearchSpec, snapshot: CachedSnapshot) -> Result:
        """Return what a search finds.

        Raises:
            SearchInvalid, RegexInvalid, LanguageUnknown: the field at fault is named.
            SearchesBusy: too many are under way.
            And what the snapshot's `read_many` raises.
        """
        pattern = _pattern(spec)
        selection = Selection(spec.filters)
        with self._limit.place():
            index, _ = await self._keeper.index(snapshot)
            ranked = await self._find(spec, pattern, selection, index, snapshot)
        self._kept[snapshot.digest, name] = ranked
        while len(self._kept) > _KEPT_RESULTS:
            self._kept.popitem(last=False)
        return Result(index, ranked)

    async def _find(
        self,
        spec: SearchSpec,
        pattern: TextPattern | None,
        selection: Selection,
        index: SnapshotIndex,
        snapshot: CachedSnapshot,
    ) -> Ranked:
        text = spec.query or spec.exact_text
        query = read_query(text, self._vocabulary, is_code=spec.is_snippet)
        mask = await asyncio.to_thread(selection.mask, index.columns)
        lines: dict[int, list[int]] = {}
        if pattern is not None:
            lines = await units_matching(pattern, index.columns, snapshot, mask)
            mask = np.zeros(index.columns.unit_count, dtype=np.bool_)
            mask[list(lines)] = True
        async with self._turns:
            vector = None
            if spec.query.strip() and index.meanings.share_ready:
                vector = await self._embedder.embed(spec.query)
            return await asyncio.to_thread(_ranked, index, query, vector, mask, lines)


def _pattern(spec: SearchSpec) -> TextPattern | None:
    if spec.exact_text and spec.regex:
        raise SearchInvalid.at("regex", "give either `exact_text` or `regex`, not both")
    if spec.regex:
        return TextPattern(spec.regex, is_regex=True, ignore_case=spec.ignore_case)
    if spec.exact_text:
        return TextPattern(spec.exact_text, is_regex=False, ignore_case=spec.ignore_case)
    if not spec.query.strip():
        field = "snippet" if spec.is_snippet else "query"
        raise SearchInvalid.at(field, "it is empty: say what to look for")
    return None


def _ranked(
    index: SnapshotIndex,
    query: Query,
    vector: NDArray[np.float32] | None,
    mask: NDArray[np.bool_] | None,
    lines: dict[int, list[int]],
) -> Ranked:
    scored = index.word_scorer.score(query.words)
    meanings = index.meanings.likeness(vector) if vector is not None else None
    named = named_units(query, index.columns)
    ranking = rank(scored.scores, meanings, named, index.weights, mask, bulk=index.bulk)
    if lines:
        # What matches a pattern is a hit, whatever the query says.
        rest = np.setdiff1d(np.fromiter(lines, dtype=np.int64), ranking.units)
        units = np.concatenate((ranking.units, rest))[:MOST_HITS]
        scores = np.concatenate((ranking.scores, np.zeros(len(rest), dtype=np.float32)))
        ranking = Ranking(units, scores[:MOST_HITS], ranking.exact)
    likeness = meanings[ranking.units] if meanings is not None else None
    return Ranked(query, ranking, scored.weights, likeness, lines)
