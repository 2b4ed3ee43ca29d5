"""Keeps contents that were read last, so that a search reads from memory what it shows."""

import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from toolmesh_workspaces.snapshot_protocol import Snapshot, SnapshotFile

_READ_FILES = 500


class ContentCache:
    """Contents by digest, bounded by their size together; the longest unused go first."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> bytes | None:
        """Return a content, or None when it is not kept."""
        with self._lock:
            content = self._kept.get(digest)
            if content is not None:
                self._kept.move_to_end(digest)
            return content

    def put(self, digest: bytes, content: bytes) -> None:
        """Keep a content."""
        with self._lock:
            if digest in self._kept:
                return
            self._kept[digest] = content
            self._size += len(content)
            while self._size > self._max_bytes and self._kept:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped)


class CachedSnapshot:
    """A snapshot whose contents are read through a cache."""

    def __init__(self, snapshot: Snapshot, cache: ContentCache) -> None:
        self._snapshot = snapshot
        self._cache = cache

    @property
    def digest(self) -> str:
        """What the snapshot is known by."""
        return self._snapshot.digest

    def __iter__(self) -> Iterator[SnapshotFile]:
        return iter(self._snapshot)

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) for each digest; raises what the snapshot's raises."""
        asked = iter(digests)
        while batch := list(islice(asked, _READ_FILES)):
            missing: list[bytes] = []
            for digest in batch:
                content = self._cache.get(digest)
                if content is None:
                    missing.append(digest)
                else:
                    yield digest, content
            if missing:
                async for digest, content in self._snapshot.read_many(missing):
                    self._cache.put(digest, content)
                    yield digest, content
