"""A search from the request to the ranked hits: the service's one job, without gRPC."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Protocol, TypeAlias

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
_ORDER_BYTES = 8
# More threads finish no sooner, and the event loop, with every other call, waits for all of them.
_RANKED_AT_ONCE = 2

# The first lines that match a pattern, by the unit that they are in.
Matches: TypeAlias = Mapping[int, Sequence[int]]


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
    """A hit: what it is, where, and why it was found. Without a line, its file was not read."""

    path: str
    digest: bytes
    language: str
    unit: Unit
    score: float
    exact_name: bool
    matched_words: Sequence[str]
    meaning: float
    matched_lines: Sequence[int]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The hits of a search in order, and why each was found.

    `likeness` is of each hit in order, None when meanings were not compared. `lines` match a
    pattern, by unit.
    """

    query: Query
    ranking: Ranking
    word_weights: Mapping[int, float]
    likeness: NDArray[np.float32] | None
    lines: Matches

    @cached_property
    def order(self) -> bytes:
        """What tells this order of hits from others that the same search has had."""
        return blake2b(self.ranking.units.tobytes(), digest_size=_ORDER_BYTES).digest()


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """What a search found in a snapshot, and the index that tells more of it."""

    snapshot: CachedSnapshot
    index: SnapshotIndex
    ranked: Ranked

    def __len__(self) -> int:
        return len(self.ranked.ranking.units)

    def hits(self, start: int, end: int) -> list[FoundUnit]:
        """Return the hits from a place in the order to before another."""
        ranked = self.ranked
        units = ranked.ranking.units[start:end]
        terms = self.index.word_scorer.terms_in(units, ranked.word_weights)
        decoded = self.index.columns.units(units.tolist())
        return [
            self._hit(place, unit, [ranked.query.words[term] for term in own[:_MOST_WORDS_SHOWN]])
            for place, (unit, own) in enumerate(zip(decoded, terms, strict=True), start)
        ]

    def _hit(self, place: int, unit: Unit, matched_words: Sequence[str]) -> FoundUnit:
        ranked, ranking, columns = self.ranked, self.ranked.ranking, self.index.columns
        number = int(ranking.units[place])
        file = columns.files[int(columns.unit_files[number])]
        return FoundUnit(
            path=file.path,
            digest=file.digest,
            language=file.language,
            unit=unit,
            score=float(ranking.scores[place]),
            exact_name=number in ranking.exact,
            matched_words=matched_words,
            meaning=float(ranked.likeness[place]) if ranked.likeness is not None else 0.0,
            matched_lines=ranked.lines.get(number, ()),
        )


OpenSnapshot: TypeAlias = Callable[[], Awaitable[CachedSnapshot]]


class QueryEmbedder(Protocol):
    """Gives the embedding of a query."""

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model that need not be loaded first."""
        ...

    async def embed(self, text: str, *, is_code: bool) -> NDArray[np.float32] | None:
        """Return a vector of length 1, or None when there is no model."""
        ...


class Searches:
    """Runs searches, so many at once and no more; patterns are looked for in threads of their own.

    The results of the last ones are kept, so that the next page goes on in the same order even when
    embeddings came in between, and somebody ran the same search anew.
    """

    def __init__(
        self,
        keeper: IndexKeeper,
        vocabulary: Vocabulary,
        embedder: QueryEmbedder,
        *,
        most_at_once: int,
        pattern_threads: Executor,
    ) -> None:
        self._keeper = keeper
        self._vocabulary = vocabulary
        self._embedder = embedder
        self._turns = asyncio.Semaphore(_RANKED_AT_ONCE)
        self._limit = CallLimit(
            most_at_once, busy=SearchesBusy, work="searches", retry_seconds=_RETRY_SECONDS
        )
        self._pattern_threads = pattern_threads
        self._kept: OrderedDict[tuple[str, bytes, bytes], Ranked] = OrderedDict()

    async def page(
        self, name: bytes, spec: SearchSpec, open_snapshot: OpenSnapshot, *, order: bytes
    ) -> Result:
        """Return what a search found, in the order that it had; `name` tells it from others.

        When it is not kept any more, it is run anew. Raises what `run` raises.
        """
        snapshot = await open_snapshot()
        key = snapshot.digest, name, order
        kept = self._kept.get(key)
        if kept is None:
            return await self.run(name, spec, open_snapshot)
        self._kept.move_to_end(key)
        index, _ = await self._keeper.index(snapshot)
        return Result(snapshot, index, kept)

    async def run(self, name: bytes, spec: SearchSpec, open_snapshot: OpenSnapshot) -> Result:
        """Return what a search finds in the snapshot that is opened for it.

        Raises:
            SearchInvalid, RegexInvalid, LanguageUnknown: the field at fault is named.
            SearchesBusy: too many are under way.
            And what `open_snapshot` and the snapshot's `read_many` raise.
        """
        pattern = _pattern(spec)
        selection = Selection(spec.filters)
        with self._limit.place():
            # The query is embedded while others are asked for the snapshot.
            embedding = asyncio.create_task(self._embed(spec, is_early=True))
            try:
                snapshot = await open_snapshot()
                index, _ = await self._keeper.index(snapshot)
                matches = await self._matches(pattern, selection, index, snapshot)
                vector = await embedding
            finally:
                embedding.cancel()
            if vector is None and index.meanings.ready_count:
                vector = await self._embed(spec)
            ranked = await self._rank(spec, selection, index, vector, matches)
        key = snapshot.digest, name, ranked.order
        self._kept[key] = ranked
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT_RESULTS:
            self._kept.popitem(last=False)
        return Result(snapshot, index, ranked)

    async def _embed(
        self, spec: SearchSpec, *, is_early: bool = False
    ) -> NDArray[np.float32] | None:
        """Embed the query, if it has one; early only when that takes no time to prepare."""
        if not spec.query.strip() or (is_early and not self._embedder.is_loaded):
            return None
        # The model may have to be made first, for which no other search should have to wait.
        async with self._turns if self._embedder.is_loaded else nullcontext():
            return await self._embedder.embed(spec.query, is_code=spec.is_snippet)

    async def _matches(
        self,
        pattern: TextPattern | None,
        selection: Selection,
        index: SnapshotIndex,
        snapshot: CachedSnapshot,
    ) -> Matches | None:
        """Return the lines that match a pattern, by the unit; None when there is no pattern."""
        if pattern is None:
            return None
        mask = await asyncio.to_thread(selection.mask, index.columns)
        return await units_matching(
            pattern, index.columns, snapshot, mask, threads=self._pattern_threads
        )

    async def _rank(
        self,
        spec: SearchSpec,
        selection: Selection,
        index: SnapshotIndex,
        vector: NDArray[np.float32] | None,
        matches: Matches | None,
    ) -> Ranked:
        def work() -> Ranked:
            text = spec.query or spec.exact_text
            query = read_query(text, self._vocabulary, is_code=spec.is_snippet)
            return _ranked(index, query, vector, selection, matches)

        async with self._turns:
            return await asyncio.to_thread(work)


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
    selection: Selection,
    matches: Matches | None,
) -> Ranked:
    if matches is None:
        mask = selection.mask(index.columns)
    else:
        mask = np.zeros(index.columns.unit_count, dtype=np.bool_)
        mask[list(matches)] = True
    scored = index.word_scorer.score(query.words)
    meanings = index.meanings.likeness(vector, mask) if vector is not None else None
    named = named_units(query, index.columns, mask)
    ranking = rank(scored.scores, meanings, named, index.weights, mask, bulk=index.bulk)
    if matches:
        # What matches a pattern is a hit, whatever the query says.
        rest = np.setdiff1d(np.fromiter(matches, dtype=np.int64), ranking.units)
        units = np.concatenate((ranking.units, rest))[:MOST_HITS]
        scores = np.concatenate((ranking.scores, np.zeros(len(rest), dtype=np.float32)))
        ranking = Ranking(units, scores[:MOST_HITS], ranking.exact)
    likeness = meanings[ranking.units] if meanings is not None else None
    return Ranked(query, ranking, scored.weights, likeness, matches or {})
