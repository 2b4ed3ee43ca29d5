"""Makes an index and tells meanwhile how far that has got."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np

from toolmesh_outlines.outliner import Progress
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.indexing import SkippedFile, SnapshotIndex
from toolmesh_workspaces.snapshot_protocol import Snapshot


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index is of, how many files were parsed for it now, and how long that took."""

    snapshot: str
    file_count: int
    source_file_count: int
    parsed_file_count: int
    definition_count: int
    reference_count: int
    index_millis: int
    skipped: tuple[SkippedFile, ...]


async def index_steps(
    keeper: IndexKeeper, snapshot: Snapshot
) -> AsyncGenerator[Progress | IndexSummary]:
    """Yield how far the index has got, and at the end the summary.

    Who does not read on stops the work. Raises what the snapshot's `read_many` raises.
    """
    started = time.monotonic()
    steps: asyncio.Queue[Progress | None] = asyncio.Queue()
    task = asyncio.create_task(keeper.index(snapshot, on_progress=steps.put_nowait))
    task.add_done_callback(lambda _: steps.put_nowait(None))
    try:
        while (step := await steps.get()) is not None:
            yield step
        index, parsed_file_count = await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    yield _summary(snapshot, index, parsed_file_count, time.monotonic() - started)


def _summary(
    snapshot: Snapshot, index: SnapshotIndex, parsed_file_count: int, seconds: float
) -> IndexSummary:
    return IndexSummary(
        snapshot=snapshot.digest,
        file_count=index.corpus.file_count,
        source_file_count=int(np.count_nonzero(index.corpus.languages)),
        parsed_file_count=parsed_file_count,
        definition_count=index.definition_count,
        reference_count=index.graph.reference_count,
        index_millis=round(seconds * 1000),
        skipped=index.skipped,
    )
