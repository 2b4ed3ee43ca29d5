"""Puts the repomap service together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from toolmesh.repomap.v1 import repomap_service_pb2_grpc, symbol_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2_grpc
from toolmesh_outlines.outline_cache import OutlineCache
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool
from toolmesh_repomap.index_keeper import IndexKeeper
from toolmesh_repomap.index_store import IndexStore
from toolmesh_repomap.indexing import Indexer
from toolmesh_repomap.mapper import RepositoryMapper
from toolmesh_repomap.servicer import RepomapServicer
from toolmesh_repomap.settings import Settings
from toolmesh_repomap.symbol_finder import SymbolFinder
from toolmesh_repomap.symbol_servicer import SymbolServicer
from toolmesh_serving.peers import open_peer, open_verifier
from toolmesh_serving.server import Service, Servicer
from toolmesh_serving.tokens import count_tokens
from toolmesh_workspaces.snapshot_opener import SnapshotOpener


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Open what the service needs; processes that parse are started when there is work.

    It raises OSError or sqlite3.Error when the data folder cannot be used.
    """
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        channel = await stack.enter_async_context(open_peer(settings, "workspace"))
        cache = OutlineCache(
            settings.data_folder / "outlines.sqlite", max_bytes=settings.repomap_cache_bytes
        )
        stack.callback(cache.close)
        pool = WorkerPool(
            max_workers=settings.repomap_workers,
            max_memory_bytes=settings.repomap_worker_memory_bytes,
            file_seconds=settings.repomap_file_seconds,
            idle_timeout=settings.repomap_worker_idle_seconds,
        )
        stack.push_async_callback(pool.close)
        outliner = Outliner(pool, cache, max_file_bytes=settings.repomap_max_file_bytes)
        keeper = IndexKeeper(
            Indexer(outliner),
            IndexStore(
                settings.data_folder / "indexes",
                max_bytes=settings.repomap_index_store_bytes,
                max_file_bytes=settings.repomap_max_file_bytes,
            ),
            kept_files=settings.repomap_kept_files,
            idle_seconds=settings.repomap_index_idle_seconds,
        )
        stack.push_async_callback(keeper.close)
        snapshots = SnapshotOpener(workspace_service_pb2_grpc.WorkspaceServiceStub(channel))
        maps = RepomapServicer(
            mapper=RepositoryMapper(keeper, count_tokens=count_tokens),
            keeper=keeper,
            snapshots=snapshots,
        )
        symbols = SymbolServicer(
            finder=SymbolFinder(keeper, outliner), snapshots=snapshots, count_tokens=count_tokens
        )
        servicers = (
            Servicer(repomap_service_pb2_grpc.add_RepomapServiceServicer_to_server, maps),
            Servicer(symbol_service_pb2_grpc.add_SymbolServiceServicer_to_server, symbols),
        )
        yield Service(name="repomap", servicers=servicers, verifier=verifier)
