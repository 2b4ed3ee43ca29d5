"""The contents of all workspaces, in a folder or in S3.

A content lies at `<workspace>/<first two hex digits>/<hex digest>`, so workspaces share nothing:
nobody learns from a push what others have, and deleting a workspace is deleting a prefix. Writes
are atomic in both stores: a content is there whole or not at all.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from toolmesh_serving.errors import Unavailable
from toolmesh_serving.private_files import make_private_folder

_log = structlog.get_logger()
_RETRY_TIME = timedelta(seconds=20)
_CONCURRENT_STATS = 64
_STATS_A_BATCH = 1024
_PAGE = 1000
# Contents up to this size are fetched whole and ahead of time; larger ones are streamed.
SMALL_BYTES = 256 * 1024
_MULTIPART_BYTES = 8 * 2**20
_MANIFESTS = "manifests"


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What the store knows of a content without reading it."""

    digest: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Anything in the store: `path` is only good for deleting it again."""

    path: str
    name: str


class BlobMissingError(Exception):
    """The workspace has no content of this digest."""

    def __init__(self, digest: bytes) -> None:
        super().__init__(digest.hex())
        self.digest = digest


class BlobStore:
    """Keeps contents by workspace and digest. It checks no digest: callers do, before they put.

    Every method raises Unavailable when the store does not answer.
    """

    def __init__(self, store: ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def open(cls, location: str) -> "BlobStore":
        """Open a folder, `file:///folder` or `s3://bucket/prefix`.

        A folder is made if needed, for the service's user alone. S3 is not asked yet. It raises
        ValueError for any other URL, and OSError when the folder cannot be made.
        """
        scheme, separator, rest = location.partition("://")
        if not separator or scheme == "file":
            folder = Path(rest if separator else location).absolute()
            make_private_folder(folder)
            store = from_url(folder.as_uri(), automatic_cleanup=True)
            return cls(store, folder=folder)
        if scheme != "s3":
            raise ValueError(f"a blob store is a folder or s3://bucket/prefix, not {scheme}://")
        # Giving client_options here would make it forget AWS_ALLOW_HTTP.
        return cls(from_url(location, retry_config={"retry_timeout": _RETRY_TIME}))

    async def put(self, workspace: str, digest: bytes, parts: Sequence[bytes]) -> None:
        """Write one content, given in parts of any size."""
        whole = parts[0] if len(parts) == 1 else b""
        if len(parts) != 1 and sum(map(len, parts)) < _MULTIPART_BYTES:
            whole, parts = b"".join(parts), ()
        with _reaching():
            if len(parts) <= 1:
                await obstore.put_async(self._store, _key(workspace, digest), whole)
            else:
                await obstore.put_async(self._store, _key(workspace, digest), iter(parts))

    async def stats(
        self, workspace: str, digests: Iterable[bytes]
    ) -> AsyncIterator[list[StoredBlob]]:
        """Yield those of the digests that are there, by asking for each of them."""
        turn = asyncio.Semaphore(_CONCURRENT_STATS)

        async def stat(digest: bytes) -> StoredBlob | None:
            async with turn:
                try:
                    meta = await obstore.head_async(self._store, _key(workspace, digest))
                except FileNotFoundError:
                    return None
            return StoredBlob(digest, meta["size"])

        pending = list(digests)
        for at in range(0, len(pending), _STATS_A_BATCH):
            batch = pending[at : at + _STATS_A_BATCH]
            with _reaching():
                found = await asyncio.gather(*map(stat, batch))
            yield [blob for blob in found if blob is not None]

    async def list_blobs(self, workspace: str) -> AsyncIterator[list[StoredBlob]]:
        """Yield all contents of a workspace: one request a thousand instead of one each."""
        with _reaching():
            async for page in obstore.list(self._store, workspace, chunk_size=_PAGE):
                yield [
                    StoredBlob(bytes.fromhex(name), meta["size"])
                    for meta in page
                    for kind, name in [meta["path"].rsplit("/", 2)[-2:]]
                    if kind != _MANIFESTS
                ]

    async def list_objects(self, workspace: str) -> AsyncIterator[list[StoredObject]]:
        """Yield everything of a workspace, contents and manifests; `name` is the hex digest."""
        with _reaching():
            async for page in obstore.list(self._store, workspace, chunk_size=_PAGE):
                yield [StoredObject(meta["path"], meta["path"].rpartition("/")[2]) for meta in page]

    async def delete_objects(self, objects: Sequence[StoredObject]) -> None:
        """Delete what `list_objects` told of; what is gone already is fine."""
        with _reaching():
            try:
                await obstore.delete_async(self._store, [each.path for each in objects])
            except FileNotFoundError:
                # Somebody else deletes too. A folder stops at the first gap, so go one by one.
                for each in objects:
                    await self._delete_one(each.path)

    async def delete_workspace(self, workspace: str) -> None:
        """Delete all contents and manifests of a workspace."""
        async for objects in self.list_objects(workspace):
            await self.delete_objects(objects)
        if self._folder is not None:
            # What is unfinished is in no list.
            left = self._folder / workspace
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)

    async def delete_unfinished(self, workspace: str) -> None:
        """Delete what processes that were killed had begun to write, while nobody writes.

        S3 keeps such parts out of sight; a rule of the bucket deletes them.
        """
        if self._folder is not None:
            with _reaching():
                await asyncio.to_thread(_unlink_unfinished, self._folder / workspace)

    async def read(self, workspace: str, digest: bytes, *, piece_bytes: int) -> "BlobContent":
        """Open one content; it raises BlobMissingError.

        A small content comes whole with this call, a larger one in pieces of `piece_bytes` or more.
        """
        with _reaching():
            try:
                result = await obstore.get_async(self._store, _key(workspace, digest))
            except FileNotFoundError:
                raise BlobMissingError(digest) from None
            if result.meta["size"] <= SMALL_BYTES:
                return BlobContent(digest, bytes(await result.bytes_async()), None)
            return BlobContent(digest, b"", result.stream(piece_bytes))

    async def put_manifest(self, workspace: str, snapshot: str, data: bytes) -> None:
        """Write a manifest's canonical bytes."""
        with _reaching():
            await obstore.put_async(self._store, f"{workspace}/{_MANIFESTS}/{snapshot}", data)

    async def get_manifest(self, workspace: str, snapshot: str) -> bytes | None:
        """Return a manifest's canonical bytes, or None."""
        with _reaching():
            try:
                path = f"{workspace}/{_MANIFESTS}/{snapshot}"
                result = await obstore.get_async(self._store, path)
            except FileNotFoundError:
                return None
            return bytes(await result.bytes_async())

    async def _delete_one(self, path: str) -> None:
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return


class BlobContent:
    """A content that is being read."""

    def __init__(self, digest: bytes, whole: bytes, stream: "obstore.BytesStream | None") -> None:
        self.digest = digest
        self._whole = whole
        self._stream = stream

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content, one empty piece when it is empty."""
        if self._stream is None:
            yield self._whole
            return
        with _reaching():
            async for piece in self._stream:
                yield piece


def _unlink_unfinished(folder: Path) -> None:
    # As obstore calls a file until it is whole.
    for file in folder.glob("*/*#*"):
        file.unlink(missing_ok=True)


def _key(workspace: str, digest: bytes) -> str:
    name = digest.hex()
    return f"{workspace}/{name[:2]}/{name}"


@contextmanager
def _reaching() -> Generator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # The caller is told no more than to try again, so the reason stands here alone.
        _log.warning("store of contents failed", error=str(error).partition("\n")[0])
        raise Unavailable(
            "the store of contents does not answer; try again", retry_after_seconds=1
        ) from error
