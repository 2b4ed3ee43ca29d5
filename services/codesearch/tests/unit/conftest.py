"""What the tests of the model and of the embeddings share."""

import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolmesh_codesearch.columns import IndexedFile, make_columns
from toolmesh_codesearch.embedding_queue import EmbeddingQueue
from toolmesh_codesearch.index_store import IndexStore, part_key
from toolmesh_codesearch.indexing import SnapshotIndex
from toolmesh_codesearch.installed_model import installed_model
from toolmesh_codesearch.meanings import Meanings
from toolmesh_codesearch.model_file import ModelFile
from toolmesh_codesearch.parts import SourceFile, make_parts
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline


@pytest.fixture
def run_for_python(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Has processes run lines of shell, after which they may be the real Python."""
    program = tmp_path_factory.mktemp("python") / "python"

    def run(lines: str) -> None:
        program.write_text(f'#!/bin/sh\n{lines}\nexec "{sys.executable}" "$@"\n')
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return run


@dataclass
class Embedding:
    """A queue, the store that it works on, and the index of a file that lacks its embedding."""

    queue: EmbeddingQueue
    store: IndexStore
    index: SnapshotIndex
    clock: list[float]

    async def share(self) -> float:
        """Ask for what the index lacks; return which share is there when no more is to come."""
        self.queue.want(self.index)
        while await self.queue.next_batch(self.index):
            pass
        return self.index.meanings.share_ready


@pytest.fixture
def embedding() -> Callable[[Path, ModelFile], AbstractAsyncContextManager[Embedding]]:
    """Embeds what is in a folder; its clock stands still until it is set."""

    @contextlib.asynccontextmanager
    async def opened(folder: Path, file: ModelFile) -> AsyncGenerator[Embedding]:
        vocabulary, clock = Vocabulary(), [0.0]
        (made,) = make_parts([SourceFile(b"total price", "", Outline())], vocabulary)
        store = IndexStore(folder / "index.sqlite", max_bytes=2**20, model=installed_model())
        store.put_parts({part_key(b"d" * 32, ""): made})
        columns = make_columns([IndexedFile("price", b"d" * 32, "")], [made.part], vocabulary)
        index = SnapshotIndex("d", columns, Meanings(columns.text_ids), 1)
        queue = EmbeddingQueue(store, file, threads=1, idle_seconds=60, clock=lambda: clock[0])
        try:
            yield Embedding(queue, store, index, clock)
        finally:
            await queue.close()
            store.close()

    return opened
