"""Contents are read in order, packed to messages of about half a MiB."""

import os
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from blake3 import blake3

from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.errors import BlobUnknown
from toolmesh_workspace.reading import Piece, read_blobs


async def _put(blobs: BlobStore, *contents: bytes) -> list[bytes]:
    digests = [blake3(content).digest() for content in contents]
    for digest, content in zip(digests, contents, strict=True):
        await blobs.put("w", digest, [content])
    return digests


def _join(messages: Sequence[Sequence[Piece]]) -> list[tuple[bytes, bytes]]:
    joined: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []
    for piece in (piece for message in messages for piece in message):
        parts.append(piece.data)
        if piece.last:
            joined.append((piece.digest, b"".join(parts)))
            parts = []
    assert not parts
    return joined


async def test_contents_of_all_sizes_come_in_order(blobs: BlobStore) -> None:
    """Empty, small, around the bounds, and large; asking twice gives it twice."""
    sizes = [0, 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024, 3 * 2**20 + 7, 5, *range(100, 180)]
    contents = [os.urandom(size) for size in sizes]
    digests = await _put(blobs, *contents)
    asked = [*digests, digests[5], digests[0]]
    messages = [message async for message in read_blobs(blobs, "w", asked)]
    expected = [*zip(digests, contents, strict=True), (digests[5], contents[5]), (digests[0], b"")]
    assert _join(messages) == expected
    assert max(sum(len(piece.data) for piece in message) for message in messages) < 2**20


async def test_small_contents_share_a_message(blobs: BlobStore) -> None:
    """A thousand files are a few messages."""
    digests = await _put(blobs, *(os.urandom(1000) for _ in range(1000)))
    messages = [message async for message in read_blobs(blobs, "w", digests)]
    assert len(messages) == 2


async def test_a_content_that_is_not_there_is_told(blobs: BlobStore) -> None:
    """By its digest."""
    digests = await _put(blobs, b"1")
    with pytest.raises(BlobUnknown) as caught:
        [m async for m in read_blobs(blobs, "w", [*digests, b"\1" * 32, *digests])]
    assert caught.value.metadata == {"workspace": "w", "digest": "01" * 32}


@pytest.mark.parametrize("digest", [b"", b"../../x", b"x" * 33])
async def test_what_is_no_digest_is_unknown(blobs: BlobStore, digest: bytes) -> None:
    """It never becomes part of a path."""
    with pytest.raises(BlobUnknown):
        [m async for m in read_blobs(blobs, "w", [digest])]


async def test_a_reader_may_stop_in_the_middle(blobs: BlobStore) -> None:
    """What was fetched ahead of time is dropped."""
    digests = await _put(blobs, *(os.urandom(300_000) for _ in range(10)))
    async with aclosing(read_blobs(blobs, "w", digests)) as reading:
        assert await anext(reading)
