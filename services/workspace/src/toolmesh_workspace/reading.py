"""Reads contents for a caller: many small ones ahead of time, large ones in pieces."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from toolmesh_workspace.blob_store import BlobContent, BlobMissingError, BlobStore
from toolmesh_workspace.errors import BlobUnknown
from toolmesh_workspaces.manifest import DIGEST_BYTES

_PIECE_BYTES = 512 * 1024
_MESSAGE_BYTES = 512 * 1024
_AHEAD = 32


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a content."""

    digest: bytes
    data: bytes
    last: bool


async def read_blobs(
    blobs: BlobStore, workspace: str, digests: Sequence[bytes]
) -> AsyncGenerator[Sequence[Piece]]:
    """Yield contents in the order asked for, packed to about half a MiB a time.

    It holds _AHEAD small contents at most. It raises BlobUnknown, after what came before it.
    """
    pending: list[Piece] = []
    size = 0
    async for content in _open_in_order(blobs, workspace, digests):
        async for piece in _pieces(content):
            pending.append(piece)
            size += len(piece.data)
            if size >= _MESSAGE_BYTES:
                yield pending
                pending, size = [], 0
    if pending:
        yield pending


async def _open_in_order(
    blobs: BlobStore, workspace: str, digests: Sequence[bytes]
) -> AsyncIterator[BlobContent]:
    waiting: deque[asyncio.Task[BlobContent]] = deque()
    try:
        for digest in digests:
            if len(digest) != DIGEST_BYTES:
                raise _unknown(workspace, digest)
            opened = blobs.read(workspace, digest, piece_bytes=_PIECE_BYTES)
            waiting.append(asyncio.create_task(opened))
            if len(waiting) >= _AHEAD:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    except BlobMissingError as error:
        raise _unknown(workspace, error.digest) from None
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _pieces(content: BlobContent) -> AsyncIterator[Piece]:
    """Cut a content to pieces of the size that messages have, and mark the last one."""
    held: bytes | None = None
    async for part in content.pieces():
        for at in range(0, max(len(part), 1), _PIECE_BYTES):
            if held is not None:
                yield Piece(content.digest, held, last=False)
            held = part[at : at + _PIECE_BYTES]
    yield Piece(content.digest, held or b"", last=True)


def _unknown(workspace: str, digest: bytes) -> BlobUnknown:
    return BlobUnknown(
        f"the workspace {workspace!r} has no content {digest.hex()!r}",
        metadata={"workspace": workspace, "digest": digest.hex()},
    )
