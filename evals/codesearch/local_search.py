"""The service's own search over files of this machine: no gRPC, no workspace, kept in `.bench/`."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_codesearch.embedding_queue import EmbeddingQueue
from toolmesh_codesearch.index_keeper import IndexKeeper
from toolmesh_codesearch.index_store import IndexStore
from toolmesh_codesearch.indexing import Indexer, SnapshotIndex
from toolmesh_codesearch.installed_model import installed_model
from toolmesh_codesearch.model_file import ModelFile
from toolmesh_codesearch.query_embedding import ModelEmbedder
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outliner import Outliner
from toolmesh_outlines.worker_pool import WorkerPool

_MOST_BYTES = 2**32
_MOST_FILE_BYTES = 2**20


@dataclass(frozen=True)
class LocalFile:
    """A file of a `LocalSnapshot`."""

    path: str
    digest: bytes
    size_bytes: int


class LocalSnapshot:
    """Files that lie on this machine, as a snapshot."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._by_digest: dict[bytes, Path] = {}
        self._files: list[LocalFile] = []
        for path, file in files.items():
            content = file.read_bytes()
            digest = blake2b(content, digest_size=32).digest()
            self._by_digest[digest] = file
            self._files.append(LocalFile(path, digest, len(content)))
        manifest = b"".join(file.path.encode() + b"\0" + file.digest for file in self._files)
        self.digest = blake2b(manifest, digest_size=32).hexdigest()

    def __iter__(self) -> Iterator[LocalFile]:
        return iter(self._files)

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) for each digest."""
        for digest in digests:
            yield digest, self._by_digest[digest].read_bytes()


@dataclass(frozen=True)
class LocalSearch:
    """What the service makes its answers with."""

    keeper: IndexKeeper
    vocabulary: Vocabulary
    queue: EmbeddingQueue
    contents: ContentCache
    embedder: ModelEmbedder

    def snapshot(self, files: Mapping[str, Path]) -> CachedSnapshot:
        """The files as the service sees them."""
        return CachedSnapshot(LocalSnapshot(files), self.contents)

    async def index(self, snapshot: CachedSnapshot, tell: Callable[[float], None]) -> SnapshotIndex:
        """The index of a snapshot with all its embeddings; `tell` hears which share is made."""
        index, _ = await self.keeper.index(snapshot)
        while await self.queue.next_batch(index):
            tell(index.meanings.share_ready)
        return index


@asynccontextmanager
async def open_local_search(folder: Path) -> AsyncGenerator[LocalSearch]:
    """Opens what the service opens; what it has read and embedded before is in `folder`."""
    cores = len(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        store = IndexStore(folder / "index.sqlite", max_bytes=_MOST_BYTES, model=installed_model())
        stack.callback(store.close)
        model = ModelFile(folder)
        queue = EmbeddingQueue(store, model, threads=cores, idle_seconds=1)
        stack.push_async_callback(queue.close)
        pool = WorkerPool(
            max_workers=cores, max_memory_bytes=2**30, file_seconds=30, idle_timeout=5
        )
        stack.push_async_callback(pool.close)
        vocabulary = Vocabulary()
        outliner = Outliner(pool, None, max_file_bytes=_MOST_FILE_BYTES, with_uses=False)
        indexer = Indexer(outliner, store, vocabulary, max_file_bytes=_MOST_FILE_BYTES)
        # One index at a time, for as long as it takes.
        keeper = IndexKeeper(indexer, kept_units=1, idle_seconds=86_400, on_index=queue.want)
        stack.callback(keeper.close)
        yield LocalSearch(
            keeper, vocabulary, queue, ContentCache(max_bytes=2**26), ModelEmbedder(model)
        )
