"""The RPCs of `RepomapService`: protos to domain and back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from toolmesh.repomap.v1 import repomap_pb2, repomap_service_pb2, repomap_service_pb2_grpc
from toolmesh_outlines.outliner import Progress
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.index_progress import IndexSummary, index_steps
from toolmesh_repomap.indexing import SkippedFile
from toolmesh_repomap.mapper import MapStats, RepositoryMap, RepositoryMapper
from toolmesh_repomap.structured_layout import MapFile
from toolmesh_workspaces.snapshot_opener import SnapshotOpener

_DEFAULT_TOKENS = 4096
_MOST_SKIPPED_FILES = 100


class RepomapServicer(repomap_service_pb2_grpc.RepomapServiceServicer):
    """Serves `RepomapService`."""

    def __init__(
        self, *, mapper: RepositoryMapper, keeper: IndexKeeper, snapshots: SnapshotOpener
    ) -> None:
        self._mapper = mapper
        self._keeper = keeper
        self._snapshots = snapshots

    async def Map(
        self, request: repomap_service_pb2.MapRequest, context: Any
    ) -> repomap_service_pb2.MapResponse:
        """See the proto."""
        snapshot = await self._snapshots.open(request.workspace, request.snapshot)
        drawn = await self._mapper.map(
            snapshot,
            max_tokens=request.max_tokens or _DEFAULT_TOKENS,
            focus_paths=request.focus_paths,
            mentioned_names=request.mentioned_names,
            question=request.question,
            structured=request.view == repomap_pb2.MAP_VIEW_STRUCTURED,
        )
        return _response(drawn)

    async def Index(
        self, request: repomap_service_pb2.IndexRequest, context: Any
    ) -> AsyncIterator[repomap_service_pb2.IndexResponse]:
        """See the proto."""
        snapshot = await self._snapshots.open(request.workspace, request.snapshot)
        async with aclosing(index_steps(self._keeper, snapshot)) as steps:
            async for step in steps:
                if isinstance(step, Progress):
                    progress = repomap_pb2.IndexProgress(
                        done_count=step.done_file_count, total_count=step.total_file_count
                    )
                    yield repomap_service_pb2.IndexResponse(progress=progress)
                else:
                    yield repomap_service_pb2.IndexResponse(summary=_summary(step))


def _response(drawn: RepositoryMap) -> repomap_service_pb2.MapResponse:
    return repomap_service_pb2.MapResponse(
        map=drawn.text,
        token_count=drawn.token_count,
        truncated=drawn.truncated,
        shown_file_count=drawn.shown_file_count,
        snapshot=drawn.snapshot,
        skipped_files=_skipped(drawn.skipped),
        skipped_file_count=len(drawn.skipped),
        stats=_stats(drawn.stats),
        files=map(_file, drawn.files),
        left_out_file_count=drawn.left_out_file_count,
        left_out_definition_count=drawn.left_out_definition_count,
    )


def _file(file: MapFile) -> repomap_pb2.MapFile:
    return repomap_pb2.MapFile(
        path=file.path,
        language=file.language,
        role=repomap_pb2.FileRole.Value(file.role),
        rank=file.rank,
        used_by_file_count=file.used_by_file_count,
        uses_file_count=file.uses_file_count,
        symbols=[
            repomap_pb2.MapSymbol(
                name=symbol.name,
                kind=symbol.kind,
                container=symbol.container,
                signature=symbol.signature,
                start_line=symbol.start_line,
                end_line=symbol.end_line,
                rank=symbol.rank,
                used_by_file_count=symbol.used_by_file_count,
            )
            for symbol in file.symbols
        ],
    )


def _stats(stats: MapStats) -> repomap_pb2.MapStats:
    return repomap_pb2.MapStats(
        file_count=stats.file_count,
        source_file_count=stats.source_file_count,
        parsed_file_count=stats.parsed_file_count,
        definition_count=stats.definition_count,
        reference_count=stats.reference_count,
        index_millis=stats.index_millis,
        rank_millis=stats.rank_millis,
    )


def _summary(summary: IndexSummary) -> repomap_pb2.IndexSummary:
    return repomap_pb2.IndexSummary(
        snapshot=summary.snapshot,
        file_count=summary.file_count,
        source_file_count=summary.source_file_count,
        parsed_file_count=summary.parsed_file_count,
        definition_count=summary.definition_count,
        reference_count=summary.reference_count,
        index_millis=summary.index_millis,
        skipped_files=_skipped(summary.skipped),
        skipped_file_count=len(summary.skipped),
    )


def _skipped(files: Sequence[SkippedFile]) -> list[repomap_pb2.SkippedFile]:
    return [
        repomap_pb2.SkippedFile(path=file.path, reason=file.reason)
        for file in files[:_MOST_SKIPPED_FILES]
    ]
