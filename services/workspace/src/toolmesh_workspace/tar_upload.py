"""Takes a tar file from a caller without a gRPC client and makes it the workspace's content."""

import asyncio
import os
import sys
import tempfile
from array import array
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from toolmesh_serving.errors import Unavailable
from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.blob_writer import BlobWriter
from toolmesh_workspace.errors import TarInvalid, TooLarge, at_field, error_of
from toolmesh_workspace.leases import Leases
from toolmesh_workspace.push_slots import PushSlots, lively
from toolmesh_workspace.records import Records
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspace.unpack import DISK_FAILURE, TAR_REFUSAL, Answer, Job
from toolmesh_workspace.workspace_record import Workspace
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest import DIGEST_BYTES, Manifest, decode
from toolmesh_workspaces.refusals import Refusal

_SPOOL_BYTES = 4 * 2**20
_PART_BYTES = 1 << 20
_READ_BATCH_BYTES = 8 * 2**20
# Each takes a core.
_CONCURRENT_UNPACKS = 2
# Headers and padding of a plain tar file.
_OVERHEAD_BYTES = 256 * 2**20
_log = structlog.get_logger()


@dataclass(frozen=True)
class _Contents:
    """Unpacked contents in a file: where each begins and how long it is."""

    file: BinaryIO
    offsets: Mapping[bytes, int]

    def read(self, digests: Mapping[bytes, int]) -> list[tuple[bytes, Sequence[bytes]]]:
        """Return contents (digest -> size) in parts of a size that needs no large buffer."""
        return [(digest, list(self._parts(digest, size))) for digest, size in digests.items()]

    def _parts(self, digest: bytes, size: int) -> Iterator[bytes]:
        begin = self.offsets[digest]
        for at in range(0, max(size, 1), _PART_BYTES):
            yield os.pread(self.file.fileno(), min(_PART_BYTES, size - at), begin + at)


class TarUploads:
    """Runs uploads of tar files."""

    def __init__(
        self,
        *,
        records: Records,
        leases: Leases,
        blobs: BlobStore,
        snapshots: Snapshots,
        slots: PushSlots,
        limits: Limits,
        spool_folder: Path | None,
    ) -> None:
        self._records = records
        self._leases = leases
        self._blobs = blobs
        self._snapshots = snapshots
        self._slots = slots
        self._limits = limits
        self._spool_folder = spool_folder
        self._turn = asyncio.Semaphore(_CONCURRENT_UNPACKS)

    async def upload(
        self, workspace: str, parts: AsyncIterator[bytes], *, by: Requester
    ) -> Workspace:
        """Make a tar file the workspace's newest snapshot; return the workspace.

        The file and what is in it are kept on disk, in files without a name. It raises
        WorkspaceUnknown, AccessTooLow, TooManyPushes, PushIdle, TarInvalid, TooLarge, PathInvalid,
        FileTypeInvalid, and Unavailable when the disk is full; nothing of the workspace has changed
        then.
        """
        record = await self._records.get(workspace, by=by, needs=Access.WRITER)
        with self._slots.slot(by.subject), _using_disk(), ExitStack() as files:
            source = files.enter_context(tempfile.TemporaryFile(dir=self._spool_folder))
            unpacked = files.enter_context(tempfile.TemporaryFile(dir=self._spool_folder))
            await self._spool(lively(parts), source)
            async with self._turn:
                manifest, contents = await self._unpack(source, unpacked)
            return await self._store(record, manifest, contents, by)

    async def _spool(self, parts: AsyncIterator[bytes], source: BinaryIO) -> None:
        most = self._limits.snapshot_bytes + _OVERHEAD_BYTES
        pending: list[bytes] = []
        size = total = 0
        async for part in parts:
            pending.append(part)
            size += len(part)
            total += len(part)
            if total > most:
                raise at_field(TooLarge, "tar", f"has more than {most} bytes")
            if size >= _SPOOL_BYTES:
                await asyncio.to_thread(source.writelines, pending)
                pending, size = [], 0
        await asyncio.to_thread(_finish_spool, source, pending)

    async def _unpack(self, source: BinaryIO, unpacked: BinaryIO) -> tuple[Manifest, _Contents]:
        job = Job(source=source.fileno(), contents=unpacked.fileno(), limits=self._limits)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Modules come from where they are installed, never from the current folder.
            "-P",
            "-m",
            "toolmesh_workspace.unpack",
            job.to_argument(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(job.source, job.contents),
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return await asyncio.to_thread(_read_answer, output, unpacked)

    async def _store(
        self, record: Workspace, manifest: Manifest, contents: _Contents, by: Requester
    ) -> Workspace:
        async with self._leases.pushing(record.id):
            async with BlobWriter(self._blobs, record.id) as writer:
                async for missing in self._snapshots.missing(record, manifest):
                    for batch in _batches(missing):
                        for digest, parts in await asyncio.to_thread(contents.read, batch):
                            await writer.write(digest, parts)
            return await self._snapshots.commit(record.id, manifest, by=by)


@contextmanager
def _using_disk() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _no_disk(str(error)) from error


def _no_disk(reason: str) -> Unavailable:
    # The caller is told no more than to try again, so the reason stands here alone.
    _log.warning("disk for uploads failed", error=reason)
    return Unavailable("uploads cannot be taken for now; try again", retry_after_seconds=10)


def _finish_spool(source: BinaryIO, parts: list[bytes]) -> None:
    source.writelines(parts)
    source.flush()
    source.seek(0)


def _read_answer(output: bytes, unpacked: BinaryIO) -> tuple[Manifest, _Contents]:
    head, separator, body = output.partition(b"\n")
    if not separator:
        # The process was ended by a bound that the kernel holds.
        raise at_field(TarInvalid, "tar", "takes too much memory or time to be unpacked")
    answer = Answer.from_line(head)
    if answer.refusal == DISK_FAILURE:
        raise _no_disk(answer.description)
    if answer.refusal == TAR_REFUSAL:
        raise at_field(TarInvalid, answer.field, answer.description)
    if answer.refusal:
        kind = error_of(Refusal(answer.refusal))
        raise at_field(kind, answer.field, answer.description)
    offsets_at = answer.manifest_bytes + DIGEST_BYTES * answer.content_count
    offsets = array("Q", body[offsets_at:])
    digests = (
        body[at : at + DIGEST_BYTES]
        for at in range(answer.manifest_bytes, offsets_at, DIGEST_BYTES)
    )
    manifest = decode(body[: answer.manifest_bytes])
    return manifest, _Contents(unpacked, dict(zip(digests, offsets, strict=True)))


def _batches(contents: Mapping[bytes, int]) -> Iterator[dict[bytes, int]]:
    batch: dict[bytes, int] = {}
    size = 0
    for digest, length in contents.items():
        if batch and size + length > _READ_BATCH_BYTES:
            yield batch
            batch, size = {}, 0
        batch[digest] = length
        size += length
    if batch:
        yield batch
