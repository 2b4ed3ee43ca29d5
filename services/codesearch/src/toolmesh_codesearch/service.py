"""Puts the codesearch service together."""

from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

from toolmesh.codesearch.v1 import codesearch_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2_grpc
from toolmesh_codesearch.answer_servicer import AnswerWriter
from toolmesh_codesearch.contents import ContentCache
from toolmesh_codesearch.embedding_queue import EmbeddingQueue
from toolmesh_codesearch.index_keeper import IndexKeeper
from toolmesh_codesearch.index_store import IndexStore
from toolmesh_codesearch.indexing import Indexer
from toolmesh_codesearch.installed_model import installed_model
from toolmesh_codesearch.leftovers import remove_leftovers
from toolmesh_codesearch.model_file import ModelFile
from toolmesh_codesearch.pattern_search import PATTERN_THREADS
from toolmesh_codesearch.preparation import Preparer
from toolmesh_codesearch.query_embedding import ModelEmbedder
from toolmesh_codesearch.searches import Searches
from toolmesh_codesearch.servicer import CodesearchServicer
from toolmesh_codesearch.settings import Settings
from toolmesh_codesearch.words import Vocabulary
from toolmesh_codesearch.workspace_client import CachedSnapshotOpener
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool
from toolmesh_serving.memory import bound_free_memory
from toolmesh_serving.peers import open_peer, open_verifier
from toolmesh_serving.server import Service, Servicer
from toolmesh_serving.tokens import count_tokens


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Open what the service needs; processes that parse or embed are started when there is work.

    It raises OSError or sqlite3.Error when the data folder cannot be used.
    """
    bound_free_memory()
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        channel = await stack.enter_async_context(open_peer(settings, "workspace"))
        remove_leftovers(settings.data_folder)
        store = IndexStore(
            settings.data_folder / "index.sqlite",
            max_bytes=settings.codesearch_store_bytes,
            model=installed_model() if settings.codesearch_embedding_threads else None,
        )
        stack.callback(store.close)
        vocabulary = Vocabulary()
        model = ModelFile(settings.data_folder)
        queue = EmbeddingQueue(
            store,
            model,
            threads=settings.codesearch_embedding_threads,
            idle_seconds=settings.codesearch_worker_idle_seconds,
        )
        stack.push_async_callback(queue.close)
        keeper = IndexKeeper(
            Indexer(
                _open_outliner(settings, stack),
                store,
                vocabulary,
                max_file_bytes=settings.codesearch_max_file_bytes,
            ),
            kept_units=settings.codesearch_kept_units,
            idle_seconds=settings.codesearch_index_idle_seconds,
            on_index=queue.want,
        )
        stack.callback(keeper.close)
        workspaces = workspace_service_pb2_grpc.WorkspaceServiceStub(channel)
        contents = ContentCache(max_bytes=settings.codesearch_content_bytes)
        embedder = ModelEmbedder(model if settings.codesearch_embedding_threads else None)
        servicer = CodesearchServicer(
            searches=Searches(
                keeper,
                vocabulary,
                embedder,
                most_at_once=settings.codesearch_searches,
                pattern_threads=stack.enter_context(ThreadPoolExecutor(PATTERN_THREADS)),
            ),
            preparer=Preparer(keeper, queue.next_batch, most_at_once=settings.codesearch_indexes),
            snapshots=CachedSnapshotOpener(workspaces, contents),
            writer=AnswerWriter(count_tokens),
        )
        add = codesearch_service_pb2_grpc.add_CodesearchServiceServicer_to_server
        yield Service(name="codesearch", servicers=(Servicer(add, servicer),), verifier=verifier)


def _open_outliner(settings: Settings, stack: AsyncExitStack) -> Outliner:
    pool = WorkerPool(
        max_workers=settings.codesearch_workers,
        max_memory_bytes=settings.codesearch_worker_memory_bytes,
        file_seconds=settings.codesearch_file_seconds,
        idle_timeout=settings.codesearch_worker_idle_seconds,
    )
    stack.push_async_callback(pool.close)
    # What is made of an outline is kept, so the outline need not be; uses go into no part.
    return Outliner(pool, None, max_file_bytes=settings.codesearch_max_file_bytes, with_uses=False)
