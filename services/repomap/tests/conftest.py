"""Indexes of trees that are made up."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.corpus_building import CorpusBuilder
from toolmesh_repomap.import_links import NO_LINKS, resolve_imports
from toolmesh_repomap.indexing import SnapshotIndex, index_of

IndexFiles = Callable[[Sequence[OutlinedFile]], SnapshotIndex]


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


@pytest.fixture
def index_files() -> IndexFiles:
    """Indexes files whose outlines are given."""

    def index_files(files: Sequence[OutlinedFile]) -> SnapshotIndex:
        listed = [
            _File(file.path, hashlib.sha256(repr(file).encode()).digest(), 1) for file in files
        ]
        builder = CorpusBuilder(listed, {file.path: file.language for file in files})
        builder.add_all(files)
        corpus = builder.finish()
        return index_of(corpus, resolve_imports(corpus, None, NO_LINKS))

    return index_files
