"""Reads the contents of a scanned tree for a push, a few at a time and checked again."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from toolmesh_workspaces.manifest import Manifest
from toolmesh_workspaces.scan import OPEN_FLAGS

_BATCH_BYTES = 4 * 2**20
_BATCH_FILES = 128


class FileChangedError(Exception):
    """A file is not what it was when the tree was scanned: scan and push again."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while it was pushed")
        self.path = path


@dataclass(frozen=True, slots=True)
class Content:
    """The content of one file."""

    digest: bytes
    data: bytes


class TreeContents:
    """The contents of a tree, by digest."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self._paths: Mapping[bytes, str] = {
            entry.digest: entry.path for entry in manifest.files if entry.digest
        }
        self._sizes = manifest.contents

    def size(self, digest: bytes) -> int:
        """Return the size of a content of this tree; KeyError when it is none of its own."""
        return self._sizes[digest]

    async def read(self, digests: Iterable[bytes]) -> AsyncIterator[Content]:
        """Yield the contents in order; it raises FileChangedError.

        Small files are read many at a time in a thread, and the next batch is read while the caller
        is busy with this one.
        """
        batches = iter(self._batches(digests))
        reading = self._start_reading(batches)
        try:
            while reading is not None:
                contents = await reading
                reading = self._start_reading(batches)
                for content in contents:
                    yield content
        finally:
            if reading is not None:
                reading.cancel()

    def _start_reading(
        self, batches: Iterator[list[bytes]]
    ) -> "asyncio.Task[list[Content]] | None":
        batch = next(batches, None)
        if batch is None:
            return None
        return asyncio.create_task(asyncio.to_thread(self._read_batch, batch))

    def _batches(self, digests: Iterable[bytes]) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        size = 0
        for digest in digests:
            if batch and (size + self._sizes[digest] > _BATCH_BYTES or len(batch) >= _BATCH_FILES):
                yield batch
                batch, size = [], 0
            batch.append(digest)
            size += self._sizes[digest]
        if batch:
            yield batch

    def _read_batch(self, digests: list[bytes]) -> list[Content]:
        contents: list[Content] = []
        for digest in digests:
            path = self._paths[digest]
            try:
                with open(os.open(self._root / path, OPEN_FLAGS), "rb") as file:
                    # One byte more than it should have tells that it grew, however large it is now.
                    data = file.read(self._sizes[digest] + 1)
            except OSError:
                raise FileChangedError(path) from None
            if blake3(data).digest() != digest:
                raise FileChangedError(path)
            contents.append(Content(digest, data))
        return contents
