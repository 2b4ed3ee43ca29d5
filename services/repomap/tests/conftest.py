"""Indexes of trees that are made up."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.corpus_building import CorpusBuilder
from toolmesh_repomap.indexing import SnapshotIndex, index_over

IndexFiles = Callable[..., SnapshotIndex]


@dataclass(frozen=True)
class _File:
    path: str
    digest: bytes
    size_bytes: int


@pytest.fixture
def index_files() -> IndexFiles:
    """Indexes files whose outlines are given, from another index or from none."""

    def index_files(
        files: Sequence[OutlinedFile], base: SnapshotIndex | None = None
    ) -> SnapshotIndex:
        listed = [
            _File(file.path, hashlib.sha256(repr(file).encode()).digest(), 1) for file in files
        ]
        languages = {file.path: file.language for file in files}
        if base is None:
            builder = CorpusBuilder(listed, languages)
        else:
            builder = CorpusBuilder(listed, languages, base.corpus, base.rows)
        missing = {file.path for file in builder.missing}
        builder.add_all([file for file in files if file.path in missing])
        return index_over(builder.finish(), base.known_files if base else None)

    return index_files
