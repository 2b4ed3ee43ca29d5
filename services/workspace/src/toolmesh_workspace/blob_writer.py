"""Takes the chunks of contents in, checks each content and writes it."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType

from blake3 import blake3

from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.errors import DigestMismatch, PushOrder, TooLarge, at_field

_MAX_CHUNK_BYTES = 1 << 20
_CONCURRENT_WRITES = 32
# Together with the content that is coming in this bounds what one push holds in memory.
_BYTES_IN_FLIGHT = 32 * 2**20


class BlobAssembler:
    """Puts the chunks of one content after another together.

    A content is handed out only when its digest and size are what the manifest states, so nothing
    else ever reaches the store.
    """

    def __init__(self, expected: Mapping[bytes, int]) -> None:
        self._expected = dict(expected)
        self._parts: list[bytes] = []
        self._size = 0
        self._digest = b""
        self._hasher = blake3()

    @property
    def is_done(self) -> bool:
        """True when every content that is expected has come."""
        return not self._expected

    @property
    def missing_count(self) -> int:
        """How many contents are still to come."""
        return len(self._expected)

    def take(self, digest: bytes, data: bytes, *, last: bool) -> Sequence[bytes] | None:
        """Take a chunk; return the parts of the content when it is whole.

        It raises PushOrder for a chunk of a content that is not asked for or before the one before
        is whole, DigestMismatch, and TooLarge for a chunk that is too large.
        """
        if len(data) > _MAX_CHUNK_BYTES:
            raise at_field(TooLarge, "chunk.data", f"has more than {_MAX_CHUNK_BYTES} bytes")
        if self._digest and digest != self._digest:
            raise at_field(
                PushOrder, "chunk.digest", "begins before the content before it is whole"
            )
        size = self._expected.get(digest)
        if size is None:
            raise at_field(PushOrder, "chunk.digest", "is not one that is missing")
        self._digest = digest
        self._hasher.update(data)
        self._parts.append(data)
        self._size += len(data)
        # A content that is too long is refused with the first byte that is one too many.
        if self._size > size or (last and self._size < size):
            raise _mismatch(digest, f"has {self._size} bytes, not the {size} of the manifest")
        if not last:
            return None
        if self._hasher.digest() != digest:
            raise _mismatch(digest, "is not the digest of the content that was sent")
        parts = self._parts
        del self._expected[digest]
        self._parts, self._size, self._digest, self._hasher = [], 0, b"", blake3()
        return parts


class BlobWriter:
    """Writes contents concurrently, as many at once as the bounds allow.

    Use it as a context: it ends when all is written, and fails when a write has failed.
    """

    def __init__(self, blobs: BlobStore, workspace: str) -> None:
        self._blobs = blobs
        self._workspace = workspace
        self._running: dict[asyncio.Task[None], int] = {}
        self._bytes_in_flight = 0
        self._one_ended = asyncio.Event()
        self._failure: BaseException | None = None
        self.blob_count = 0
        """How many contents were handed over."""
        self.size_bytes = 0
        """The size of those."""

    async def __aenter__(self) -> "BlobWriter":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            for task in self._running:
                task.cancel()
        # A push that was refused or broke off keeps what has arrived, so that the next one goes on
        # from there.
        await asyncio.gather(*self._running, return_exceptions=True)
        if kind is None:
            self._raise_failure()

    async def write(self, digest: bytes, parts: Sequence[bytes]) -> None:
        """Begin to write a content; it raises what an earlier write failed with."""
        size = sum(map(len, parts))
        while self._running and (
            len(self._running) >= _CONCURRENT_WRITES
            or self._bytes_in_flight + size > _BYTES_IN_FLIGHT
        ):
            self._one_ended.clear()
            await self._one_ended.wait()
        self._raise_failure()
        task = asyncio.create_task(self._blobs.put(self._workspace, digest, parts))
        self._running[task] = size
        self._bytes_in_flight += size
        task.add_done_callback(self._end)
        self.blob_count += 1
        self.size_bytes += size

    def _end(self, task: asyncio.Task[None]) -> None:
        self._bytes_in_flight -= self._running.pop(task)
        if not task.cancelled() and self._failure is None:
            self._failure = task.exception()
        self._one_ended.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _mismatch(digest: bytes, description: str) -> Exception:
    return at_field(DigestMismatch, "chunk.digest", f"{digest.hex()} {description}")
