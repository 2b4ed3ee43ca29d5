"""The ways to rank the symbols of a package for a question."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.codesearch.local_search import LocalSearch
from evals.codesearch.ripgrep import Ripgrep, Span
from evals.codesearch.scoring import MOST_PLACES
from toolmesh_codesearch.contents import CachedSnapshot
from toolmesh_codesearch.indexing import SnapshotIndex
from toolmesh_codesearch.parts import units_of
from toolmesh_codesearch.searches import QueryEmbedder, Searches, SearchSpec

HYBRID = "hybrid (the service)"
WORDS = "BM25 alone"
MEANING = "embeddings alone"
RIPGREP = "ripgrep"
CONTENDERS = (HYBRID, WORDS, MEANING, RIPGREP)

# More than are scored, as symbols of one name count once.
_MOST_HITS = 4 * MOST_PLACES


class _NoModel:
    is_loaded = False

    async def embed(self, text: str, *, is_code: bool) -> NDArray[np.float32] | None:
        return None


class Contenders:
    """All ways, for one package whose index is complete."""

    def __init__(
        self,
        search: LocalSearch,
        snapshot: CachedSnapshot,
        index: SnapshotIndex,
        files: Mapping[str, Path],
    ) -> None:
        def searches(model: QueryEmbedder) -> Searches:
            return Searches(
                search.keeper,
                search.vocabulary,
                model,
                most_at_once=1,
                pattern_threads=ThreadPoolExecutor(1),
            )

        self._hybrid, self._words = searches(search.embedder), searches(_NoModel())
        self._embedder = search.embedder
        self._snapshot = snapshot
        self._index = index
        self._symbols = symbols_of(index)
        self._ripgrep = Ripgrep(files, _spans(index))

    @property
    def symbols(self) -> frozenset[str]:
        """All symbols there are, each `path::qualified.name`."""
        return frozenset(self._symbols)

    async def ranked(self, question: str) -> AsyncIterator[tuple[str, list[str]]]:
        """Yield each contender with its ranking."""
        yield HYBRID, await self._searched(self._hybrid, question)
        yield WORDS, await self._searched(self._words, question)
        yield MEANING, await self._by_meaning(question)
        yield RIPGREP, await self._ripgrep.ranked(question)

    async def _searched(self, searches: Searches, question: str) -> list[str]:
        async def open_snapshot() -> CachedSnapshot:
            return self._snapshot

        result = await searches.run(b"", SearchSpec(query=question), open_snapshot)
        return [self._symbols[unit] for unit in result.ranked.ranking.units[:_MOST_HITS].tolist()]

    async def _by_meaning(self, question: str) -> list[str]:
        vector = await self._embedder.embed(question, is_code=False)
        if vector is None:
            raise FileNotFoundError("the embedding model is not installed")
        likeness = self._index.meanings.likeness(vector) * self._index.weights
        return [self._symbols[unit] for unit in np.argsort(-likeness)[:_MOST_HITS].tolist()]


def symbols_of(index: SnapshotIndex) -> list[str]:
    """What each unit of an index is called: its path, `::`, and its name with those around it."""
    columns = index.columns
    return [
        f"{file.path}::{unit.qualified}"
        for file, part in zip(columns.files, columns.parts, strict=True)
        for unit in units_of(part)
    ]


def _spans(index: SnapshotIndex) -> dict[str, list[Span]]:
    columns = index.columns
    return {
        file.path: [
            Span(f"{file.path}::{unit.qualified}", unit.first_line, unit.end_line)
            for unit in units_of(part)
            if unit.name
        ]
        for file, part in zip(columns.files, columns.parts, strict=True)
    }
