"""Makes the embeddings that indexes lack, in batches, those asked for last first."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from weakref import WeakSet

import numpy as np
import structlog

from toolmesh_codesearch.embedding_process import (
    EmbeddingFailedError,
    EmbeddingProcess,
    embedding_process,
)
from toolmesh_codesearch.index_store import IndexStore, part_key
from toolmesh_codesearch.indexing import SnapshotIndex
from toolmesh_codesearch.model_file import ModelFile, ModelMissingError

_log = structlog.get_logger(__name__)

# Among so many there are always some of the same length, which are embedded together.
_BATCH_TEXTS = 128
_MOST_WANTED = 8
# Processes that fail, one after the other, before it is given up until the next search.
_MOST_FAILURES = 3
# How long texts are left alone that ended a process, or that the store has let go of.
_REST_SECONDS = 600.0


class EmbeddingQueue:
    """Gives work to one process, started when there is some and ended when there is none.

    `threads` is how many it may use; with 0 no embeddings are made. It lives on for `idle_seconds`.
    Texts that cannot be embedded now are tried again ten minutes later by the `clock`.
    """

    def __init__(
        self,
        store: IndexStore,
        model: ModelFile,
        *,
        threads: int,
        idle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._model = model
        self._threads = threads
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._wanted: OrderedDict[str, SnapshotIndex] = OrderedDict()
        # Those that had to make way; who waits for one wants it again.
        self._put_off: WeakSet[SnapshotIndex] = WeakSet()
        # Texts that are left alone, until when.
        self._resting: dict[int, float] = {}
        self._more = asyncio.Event()
        self._stepped = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def want(self, index: SnapshotIndex) -> None:
        """Make what an index lacks, before what others lack."""
        self._put_off.discard(index)
        if not self._threads or index.meanings.ready_count == index.meanings.embedded_count:
            return
        self._wanted[index.digest] = index
        self._wanted.move_to_end(index.digest)
        while len(self._wanted) > _MOST_WANTED:
            _, oldest = self._wanted.popitem(last=False)
            self._put_off.add(oldest)
        self._more.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="embeddings")

    async def next_batch(self, index: SnapshotIndex) -> bool:
        """Wait until more embeddings have come; False when an index lacks none that can be made."""
        if index in self._put_off:
            self.want(index)
        if index.digest not in self._wanted or self._task is None or self._task.done():
            return False
        async with self._stepped:
            await self._stepped.wait()
        return True

    async def close(self) -> None:
        """End the process; what it has at hand is made anew some other time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            failures = 0
            while self._wanted and failures < _MOST_FAILURES:
                try:
                    await self._serve()
                    failures = 0
                except EmbeddingFailedError as error:
                    failures += 1
                    _log.warning("codesearch.embedding_failed", error=str(error))
        except ModelMissingError:
            pass  # the log has it
        finally:
            self._wanted.clear()
            # What is wanted from here on needs another task.
            self._task = None
            async with self._stepped:
                self._stepped.notify_all()

    async def _serve(self) -> None:
        """Start a process, and end it when there was nothing to do for a while."""
        async with contextlib.AsyncExitStack() as stack:
            process = await self._model.load(
                lambda path: stack.enter_async_context(embedding_process(path, self._threads))
            )
            await self._work(process)

    async def _work(self, process: EmbeddingProcess) -> None:
        """Work until there was nothing to do for a while."""
        while True:
            while self._wanted:
                index = next(reversed(self._wanted.values()))
                if not await self._step(process, index):
                    self._wanted.pop(index.digest, None)
                async with self._stepped:
                    self._stepped.notify_all()
            self._more.clear()
            try:
                async with asyncio.timeout(self._idle_seconds):
                    await self._more.wait()
            except TimeoutError:
                return

    async def _step(self, process: EmbeddingProcess, index: SnapshotIndex) -> bool:
        """Make a batch of what an index lacks; False when there is nothing left to make."""
        missing = await asyncio.to_thread(index.meanings.missing)
        now = self._clock()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        ids = [each for each in missing.tolist() if each not in self._resting][:_BATCH_TEXTS]
        if not ids:
            return False
        texts = await asyncio.to_thread(self._store.texts, ids)
        made = await asyncio.to_thread(self._store.vectors, set(ids) - texts.keys())
        lost = set(ids) - texts.keys() - made.keys()
        if lost:
            await asyncio.to_thread(self._forget, index, lost)
        if texts:
            try:
                rows = await process.embed(list(texts.values()))
            except EmbeddingFailedError:
                self._rest(texts)
                raise
            vectors = dict(zip(texts, rows, strict=True))
            await asyncio.to_thread(self._store.put_vectors, vectors)
            made |= vectors
        for wanted in list(self._wanted.values()):
            await asyncio.to_thread(wanted.meanings.add, made)
        return True

    def _rest(self, ids: Iterable[int]) -> None:
        self._resting.update(dict.fromkeys(ids, self._clock() + _REST_SECONDS))

    def _forget(self, index: SnapshotIndex, lost: set[int]) -> None:
        """Have the parts made anew some time whose texts the store has let go of."""
        self._rest(lost)
        columns = index.columns
        units = np.flatnonzero(np.isin(columns.text_ids, np.fromiter(lost, dtype=np.uint64)))
        files = {columns.files[file] for file in columns.unit_files[units].tolist()}
        self._store.drop_parts([part_key(file.digest, file.language) for file in files])
        _log.info("codesearch.texts_lost", text_count=len(lost), file_count=len(files))
