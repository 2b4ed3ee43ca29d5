"""Draws maps of snapshots: the service's one job, without gRPC."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolmesh_repomap.errors import FocusPathUnknown
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.indexing import SkippedFile, SnapshotIndex
from toolmesh_repomap.nearest_paths import why_unknown
from toolmesh_repomap.selection import CountTokens, Selection, TokenCounter, select
from toolmesh_repomap.steering import steer
from toolmesh_repomap.structured_layout import MapFile, StructuredLayout
from toolmesh_serving.tokens import preparing_tokens
from toolmesh_workspaces.snapshot_protocol import Snapshot


@dataclass(frozen=True, slots=True)
class MapStats:
    """What a map cost; the counts are of the snapshot, `parsed_file_count` is of this call."""

    file_count: int
    source_file_count: int
    parsed_file_count: int
    definition_count: int
    reference_count: int
    index_millis: int
    rank_millis: int


@dataclass(frozen=True, slots=True)
class RepositoryMap:
    """A map with what was left out and what it cost; it is in `text` or, structured, in `files`."""

    text: str
    files: tuple[MapFile, ...]
    token_count: int
    truncated: bool
    shown_file_count: int
    left_out_file_count: int
    left_out_definition_count: int
    snapshot: str
    skipped: tuple[SkippedFile, ...]
    stats: MapStats


class RepositoryMapper:
    """Draws maps."""

    def __init__(self, keeper: IndexKeeper, *, count_tokens: CountTokens) -> None:
        self._keeper = keeper
        self._counter = TokenCounter(count_tokens)

    async def map(
        self,
        snapshot: Snapshot,
        *,
        max_tokens: int,
        focus_paths: Sequence[str] = (),
        mentioned_names: Sequence[str] = (),
        question: str = "",
        structured: bool = False,
    ) -> RepositoryMap:
        """Return a map of the snapshot of at most `max_tokens` tokens.

        What the files at `focus_paths` use ranks higher, and so does what defines a mentioned name,
        and what has to do with the question; unknown names and words are ignored.

        Raises:
            FocusPathUnknown: a focus path is no file of the snapshot.
        """
        started = time.monotonic()
        async with preparing_tokens():
            index, parsed_file_count = await self._keeper.index(snapshot)
        indexed = time.monotonic()
        unknown = _unknown_paths(index, snapshot, focus_paths)
        if unknown:
            first = next(iter(unknown.values()))
            why, nearest = await asyncio.to_thread(why_unknown, list(snapshot), first)
            raise FocusPathUnknown.at(unknown, why, nearest)
        focus = [index.rows[path] for path in focus_paths if path in index.rows]
        drawn = await asyncio.to_thread(
            self._draw,
            index,
            _Request(max_tokens, focus, mentioned_names, question, structured),
        )
        shown = drawn.selection.shown
        return RepositoryMap(
            text="" if structured else drawn.selection.text,
            files=drawn.files,
            token_count=drawn.selection.token_count,
            truncated=shown.truncated,
            shown_file_count=shown.file_count,
            left_out_file_count=shown.left_out_files,
            left_out_definition_count=shown.left_out_definitions,
            snapshot=snapshot.digest,
            skipped=index.skipped,
            stats=_stats(index, parsed_file_count, started=started, indexed=indexed),
        )

    def _draw(self, index: SnapshotIndex, request: "_Request") -> "_Drawn":
        steering = steer(
            index.corpus,
            index.graph,
            index.matcher if request.question else None,
            focus=request.focus,
            mentioned=request.mentioned_names,
            question=request.question,
        )
        ranking = index.ranker.rank(steering)
        structured = StructuredLayout(index, ranking)
        selection = select(
            index.corpus,
            ranking,
            structured if request.structured else index.text_layout,
            max_tokens=request.max_tokens,
            counter=self._counter,
        )
        files = structured.files(selection.shown) if request.structured else ()
        return _Drawn(selection, tuple(files))


@dataclass(frozen=True, slots=True)
class _Request:
    max_tokens: int
    focus: Sequence[int]
    mentioned_names: Sequence[str]
    question: str
    structured: bool


@dataclass(frozen=True, slots=True)
class _Drawn:
    selection: Selection
    files: tuple[MapFile, ...]


def _unknown_paths(
    index: SnapshotIndex, snapshot: Snapshot, paths: Sequence[str]
) -> dict[int, str]:
    """Return the paths that are no files of the snapshot, by their place in the request."""
    unknown = {place: path for place, path in enumerate(paths) if path not in index.rows}
    if unknown:
        # A link is a path of the snapshot and has nothing to say.
        links = {file.path for file in snapshot if not file.digest}
        unknown = {place: path for place, path in unknown.items() if path not in links}
    return unknown


def _stats(
    index: SnapshotIndex, parsed_file_count: int, *, started: float, indexed: float
) -> MapStats:
    return MapStats(
        file_count=index.corpus.file_count,
        source_file_count=int(np.count_nonzero(index.corpus.languages)),
        parsed_file_count=parsed_file_count,
        definition_count=index.definition_count,
        reference_count=index.graph.reference_count,
        index_millis=_millis(indexed - started),
        rank_millis=_millis(time.monotonic() - indexed),
    )


def _millis(seconds: float) -> int:
    return round(seconds * 1000)
