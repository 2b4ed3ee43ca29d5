"""Makes the indexes of snapshots: what the outlines say, and the graph of who uses what.

The index of a snapshot can be made from that of another one and from the outlines of the files in
which it differs; only the first has to read them all.
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np

from toolmesh_outlines.outliner import OnProgress, Outliner, languages_of
from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.corpus_building import CorpusBuilder
from toolmesh_repomap.import_links import NO_LINKS, ImportLinks, resolve_imports
from toolmesh_repomap.integer_sorting import distinct
from toolmesh_repomap.question import QuestionMatcher
from toolmesh_repomap.ranking import Ranker
from toolmesh_repomap.reference_graph import ReferenceGraph, build_graph
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.text_layout import TextLayout
from toolmesh_repomap.unused_strings import without_unused
from toolmesh_repomap.use_readings import KnownReadings
from toolmesh_workspaces.snapshot_protocol import Snapshot, SnapshotFile

# A use probably means the places whose weight is at least so large a part of the best one's.
_LIKELY = 0.5


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file in a known language that could not be read as code, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class FileLinks:
    """How many files each row leans on, and how many lean on it."""

    used_by: Ints
    uses: Ints


@dataclass(frozen=True, slots=True, eq=False)
class KnownFiles:
    """What the index of another snapshot is made from that has many of the same files."""

    corpus: Corpus
    rows: dict[str, int]
    links: ImportLinks
    readings: KnownReadings


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
    def known_files(self) -> KnownFiles:
        """What an index needs to be made from this one: no weights of edges, and no ranks."""
        return KnownFiles(self.corpus, self.rows, self.links, self.graph.readings)

    @cached_property
    def file_keys(self) -> Ints:
        """What `keys_of` gives for the snapshot."""
        return _keys(zip(self.corpus.paths, self.corpus.digests, strict=True))

    @cached_property
    def file_links(self) -> FileLinks:
        """Which file leans on which."""
        graph, row_count = self.graph, self.corpus.file_count
        sources = np.repeat(np.arange(row_count), np.diff(graph.edge_first))
        pairs = distinct(sources * row_count + graph.place_rows[graph.edge_places])
        return FileLinks(
            used_by=np.bincount(pairs % max(row_count, 1), minlength=row_count),
            uses=np.bincount(pairs // max(row_count, 1), minlength=row_count),
        )

    @cached_property
    def place_users(self) -> Ints:
        """How many other files use each place, and probably mean it."""
        graph, place_count = self.graph, max(len(self.graph.place_rows), 1)
        if not len(graph.edge_places):
            return np.zeros(place_count, dtype=np.int64)
        sources = np.repeat(np.arange(self.corpus.file_count), np.diff(graph.edge_first))
        # The edges of one use of a name follow one another.
        symbols = graph.place_symbols[graph.edge_places]
        is_first = np.diff(sources, prepend=-1) | np.diff(symbols, prepend=-1)
        starts = np.flatnonzero(is_first)
        best = np.maximum.reduceat(graph.edge_weights, starts)
        best = np.repeat(best, np.diff(starts, append=len(sources)))
        likely = np.flatnonzero(graph.edge_weights >= _LIKELY * best)
        # A name that a file uses both as a member and alone has two edges.
        pairs = distinct(sources[likely] * place_count + graph.edge_places[likely])
        return np.bincount(pairs % place_count, minlength=place_count)

    @cached_property
    def text_layout(self) -> TextLayout:
        """What writes maps as text."""
        return TextLayout(self.corpus)

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


@dataclass(frozen=True, slots=True)
class MadeIndex:
    """An index, and how many files were read for it; `parsed_file_count` of them were parsed."""

    index: SnapshotIndex
    read_file_count: int
    parsed_file_count: int


class Indexer:
    """Makes the indexes of snapshots out of their outlines."""

    def __init__(self, outliner: Outliner) -> None:
        self._outliner = outliner

    async def index(
        self,
        snapshot: Snapshot,
        *,
        base: KnownFiles | None = None,
        on_progress: OnProgress | None = None,
    ) -> MadeIndex:
        """Return the index of a snapshot.

        What is in `base`, from the index of another one, is not read again; the progress is of the
        rest.
        Raises what the snapshot's `read_many` raises.
        """
        languages = await asyncio.to_thread(languages_of, snapshot)
        builder = await asyncio.to_thread(_builder, snapshot, languages, base)
        missing = builder.missing
        parsed_file_count = 0
        outlines = self._outliner.outline(
            snapshot, files=missing, languages=languages, on_progress=on_progress
        )
        async with aclosing(outlines):
            async for batch in outlines:
                await asyncio.to_thread(builder.add_all, batch)
                parsed_file_count += sum(file.is_parsed for file in batch)
        corpus = await asyncio.to_thread(builder.finish)
        del builder  # It has as much again as the corpus, and the graph needs room.
        index = await asyncio.to_thread(index_over, corpus, base)
        return MadeIndex(index, len(missing), parsed_file_count)


def keys_of(files: Iterable[SnapshotFile]) -> Ints:
    """Return a number for each file's path and content, sorted; links have none."""
    return _keys((file.path, file.digest) for file in files if file.digest)


def _keys(files: Iterable[tuple[str, bytes]]) -> Ints:
    hashes = b"".join(
        blake2b(path.encode() + b"\0" + digest, digest_size=8).digest() for path, digest in files
    )
    return distinct(np.frombuffer(hashes, dtype=np.uint64))


def _builder(
    snapshot: Snapshot, languages: dict[str, str], base: KnownFiles | None
) -> CorpusBuilder:
    if base is None:
        return CorpusBuilder(snapshot, languages)
    return CorpusBuilder(snapshot, languages, base.corpus, base.rows)


def index_over(corpus: Corpus, base: KnownFiles | None) -> SnapshotIndex:
    """Return the index of a corpus that was made from the base's, or from none."""
    if base is None:
        return index_of(corpus, resolve_imports(corpus, None, NO_LINKS))
    links = resolve_imports(corpus, base.corpus, base.links)
    # Up to here, what both have has the same numbers.
    corpus, symbol_numbers = without_unused(corpus)
    return index_of(corpus, links, base.readings.renumbered(symbol_numbers))


def index_of(
    corpus: Corpus, links: ImportLinks, known: KnownReadings | None = None
) -> SnapshotIndex:
    """Return the index of a corpus whose imports are resolved.

    `known` are the readings of another one's graph, for what both share.
    """
    graph = build_graph(corpus, links, known)
    rows = {path: row for row, path in enumerate(corpus.paths)}
    return SnapshotIndex(corpus, rows, links, graph, Ranker(corpus, graph))
