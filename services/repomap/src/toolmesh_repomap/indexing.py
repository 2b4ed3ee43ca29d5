"""Makes the indexes of snapshots: what the outlines say, and the graph of who uses what.

The index of a snapshot is made from that of the most alike earlier one and from the outlines of the
files that changed since; only the first has to read them all.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from toolmesh_outlines.outliner import OnProgress, Outliner, languages_of
from toolmesh_outlines.snapshot import Snapshot
from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.corpus_building import CorpusBuilder
from toolmesh_repomap.import_links import NO_LINKS, ImportLinks, resolve_imports
from toolmesh_repomap.question import QuestionMatcher
from toolmesh_repomap.ranking import Ranker
from toolmesh_repomap.reference_graph import ReferenceGraph, build_graph


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file in a known language that could not be read as code, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class SnapshotIndex:
    """All that questions about a snapshot are answered from; corpus.py tells how to look things up.

    `rows` has the row of each path.
    """

    corpus: Corpus
    rows: dict[str, int]
    links: ImportLinks
    graph: ReferenceGraph
    ranker: Ranker

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        """The files that could not be read as code."""
        corpus = self.corpus
        return tuple(SkippedFile(corpus.paths[row], why) for row, why in corpus.skipped.items())

    @cached_property
    def matcher(self) -> QuestionMatcher:
        """What matches questions; made when there is the first."""
        return QuestionMatcher(self.corpus, self.graph)

    @property
    def definition_count(self) -> int:
        """How many definitions all files have."""
        return len(self.corpus.columns.definition_symbol)


class Indexer:
    """Makes the indexes of snapshots out of their outlines."""

    def __init__(self, outliner: Outliner) -> None:
        self._outliner = outliner

    async def index(
        self,
        snapshot: Snapshot,
        *,
        bases: Collection[SnapshotIndex] = (),
        on_progress: OnProgress | None = None,
    ) -> tuple[SnapshotIndex, int]:
        """Return the index of a snapshot, and how many of its files were parsed for it.

        What the most alike of `bases` knows is not asked for again; the progress is of the rest.
        Raises what the snapshot's `read_many` raises.
        """
        languages = await asyncio.to_thread(languages_of, snapshot)
        base = await asyncio.to_thread(_most_alike, snapshot, bases)
        builder = await asyncio.to_thread(_builder, snapshot, languages, base)
        parsed_file_count = 0
        async for batch in self._outliner.outline(
            snapshot, files=builder.missing, languages=languages, on_progress=on_progress
        ):
            await asyncio.to_thread(builder.add_all, batch)
            parsed_file_count += sum(file.is_parsed for file in batch)
        return await asyncio.to_thread(_finished, builder, base), parsed_file_count


def _most_alike(snapshot: Snapshot, bases: Collection[SnapshotIndex]) -> SnapshotIndex | None:
    """Return the index that has most files of the snapshot, if it has half of them."""
    files = {(file.path, file.digest) for file in snapshot if file.digest}
    best, best_count = None, len(files) / 2
    for base in bases:
        known = zip(base.corpus.paths, base.corpus.digests, strict=True)
        count = sum(file in files for file in known)
        if count > best_count:
            best, best_count = base, count
    return best


def _builder(
    snapshot: Snapshot, languages: dict[str, str], base: SnapshotIndex | None
) -> CorpusBuilder:
    if base is None:
        return CorpusBuilder(snapshot, languages)
    return CorpusBuilder(snapshot, languages, base.corpus, base.rows)


def _finished(builder: CorpusBuilder, base: SnapshotIndex | None) -> SnapshotIndex:
    corpus = builder.finish()
    if base is None:
        links = resolve_imports(corpus, None, NO_LINKS)
    else:
        links = resolve_imports(corpus, base.corpus, base.links)
    return index_of(corpus, links)


def index_of(corpus: Corpus, links: ImportLinks) -> SnapshotIndex:
    """Return the index of a corpus whose imports are resolved."""
    graph = build_graph(corpus, links)
    rows = {path: row for row, path in enumerate(corpus.paths)}
    return SnapshotIndex(corpus, rows, links, graph, Ranker(corpus, graph))
