"""Contents are checked before they are written, and written within bounds."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from blake3 import blake3

from toolmesh_serving.errors import ToolmeshError, Unavailable
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.blob_writer import BlobAssembler, BlobWriter
from toolmesh_workspace.errors import DigestMismatch, PushOrder, TooLarge

_ONE, _TWO = blake3(b"one").digest(), blake3(b"twotwo").digest()


def _assembler() -> BlobAssembler:
    return BlobAssembler({_ONE: 3, _TWO: 6})


def test_chunks_become_contents() -> None:
    """Parts of any size, empty ones included; contents in any order."""
    assembler = _assembler()
    assert assembler.take(_TWO, b"two", last=False) is None
    assert assembler.take(_TWO, b"", last=False) is None
    assert assembler.take(_TWO, b"two", last=True) == [b"two", b"", b"two"]
    assert assembler.missing_count == 1
    assert assembler.take(_ONE, b"one", last=True) == [b"one"]
    assert assembler.is_done


@pytest.mark.parametrize(
    ("chunks", "kind", "description"),
    [
        ([(_ONE, b"two", True)], DigestMismatch, "is not the digest of the content"),
        ([(_ONE, b"on", True)], DigestMismatch, "has 2 bytes, not the 3"),
        ([(_ONE, b"one!", False)], DigestMismatch, "has 4 bytes, not the 3"),
        ([(_ONE, b"o", False), (_TWO, b"t", False)], PushOrder, "before it is whole"),
        ([(b"x" * 32, b"", True)], PushOrder, "is not one that is missing"),
        ([(b"", b"", True)], PushOrder, "is not one that is missing"),
        ([(_ONE, b"one", True), (_ONE, b"one", True)], PushOrder, "is not one that is missing"),
        ([(_ONE, b"x" * (2**20 + 1), False)], TooLarge, "has more than 1048576 bytes"),
    ],
)
def test_wrong_chunks_are_refused(
    chunks: Sequence[tuple[bytes, bytes, bool]], kind: type[ToolmeshError], description: str
) -> None:
    """The last chunk of each list is the wrong one."""
    assembler = _assembler()
    for digest, data, last in chunks[:-1]:
        assembler.take(digest, data, last=last)
    digest, data, last = chunks[-1]
    with pytest.raises(kind, match=description) as caught:
        assembler.take(digest, data, last=last)
    assert caught.value.field_violations[0].field.startswith("chunk.")


async def test_all_is_written_when_the_block_ends(blobs: BlobStore) -> None:
    """More contents than are written at once."""
    contents = {blake3(bytes([n])).digest(): bytes([n]) for n in range(200)}
    async with BlobWriter(blobs, "w") as writer:
        for digest, data in contents.items():
            await writer.write(digest, [data])
    assert (writer.blob_count, writer.size_bytes) == (200, 200)
    stored = {blob.digest async for page in blobs.list_blobs("w") for blob in page}
    assert stored == set(contents)


async def test_a_failed_write_fails_the_block(blobs: BlobStore, blob_folder: Path) -> None:
    """Nothing can be committed whose content is not stored."""
    (blob_folder / "w").write_text("a file where the workspace should be")
    with pytest.raises(Unavailable):
        async with BlobWriter(blobs, "w") as writer:
            await writer.write(_ONE, [b"one"])


async def test_a_cancelled_push_stops_writing(blobs: BlobStore) -> None:
    """Nothing of it runs on."""
    before = asyncio.all_tasks()
    with pytest.raises(asyncio.CancelledError):
        await _write_and_be_cancelled(blobs)
    assert asyncio.all_tasks() == before


async def _write_and_be_cancelled(blobs: BlobStore) -> None:
    async with BlobWriter(blobs, "w") as writer:
        await writer.write(_ONE, [b"one"])
        raise asyncio.CancelledError
