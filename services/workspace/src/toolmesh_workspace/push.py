"""A push: the manifest comes in, what is missing is told, contents come in, it is committed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.blob_writer import BlobAssembler, BlobWriter
from toolmesh_workspace.errors import PushOrder, at_field, refusing_manifests
from toolmesh_workspace.leases import Leases
from toolmesh_workspace.push_slots import PushSlots, lively
from toolmesh_workspace.records import Records
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspace.workspace_record import Workspace
from toolmesh_workspaces.builder import ManifestBuilder
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest import FileEntry, Manifest

_REPORT_EACH_BYTES = 4 * 2**20
_REPORT_EACH_BLOBS = 500


@dataclass(frozen=True, slots=True)
class Begin:
    """Opens a push."""

    workspace: str


@dataclass(frozen=True, slots=True)
class Files:
    """The next entries of the manifest."""

    entries: Sequence[FileEntry]


@dataclass(frozen=True, slots=True)
class ManifestDone:
    """The manifest is whole."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next part of a content."""

    digest: bytes
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The push may begin."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Contents that are asked for; `done` when no more will be."""

    digests: Sequence[bytes]
    done: bool


@dataclass(frozen=True, slots=True)
class Received:
    """How far the upload is."""

    blob_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The push is done."""

    workspace: Workspace
    blob_count: int
    size_bytes: int


Step: TypeAlias = Begin | Files | ManifestDone | Chunk | None
"""What the client says; None is a message without a step."""
Event: TypeAlias = Accepted | Missing | Received | Committed


class Pushes:
    """Runs pushes. Two at once to one workspace do not meet: the later commit is the newest."""

    def __init__(
        self,
        *,
        records: Records,
        leases: Leases,
        blobs: BlobStore,
        snapshots: Snapshots,
        slots: PushSlots,
        limits: Limits,
    ) -> None:
        self._records = records
        self._leases = leases
        self._blobs = blobs
        self._snapshots = snapshots
        self._slots = slots
        self._limits = limits

    async def push(self, steps: AsyncIterator[Step], *, by: Requester) -> AsyncIterator[Event]:
        """Run a push and yield what the client is to hear.

        It raises WorkspaceUnknown, AccessTooLow, TooManyPushes, PushIdle, PushOrder, and what a
        manifest or a content is refused for, each as soon as the step that is wrong has come.
        """
        steps = lively(steps)
        begin = await anext(steps, None)
        if not isinstance(begin, Begin):
            raise _order("begin", "comes first")
        workspace = await self._records.get(begin.workspace, by=by, needs=Access.WRITER)
        with self._slots.slot(by.subject):
            yield Accepted()
            async for event in self._push_to(workspace, steps, by):
                yield event

    async def _push_to(
        self, workspace: Workspace, steps: AsyncIterator[Step], by: Requester
    ) -> AsyncIterator[Event]:
        manifest = await self._read_manifest(steps)
        async with self._leases.pushing(workspace.id):
            missing: dict[bytes, int] = {}
            async for batch in self._snapshots.missing(workspace, manifest):
                missing |= batch
                yield Missing(tuple(batch), done=False)
            yield Missing((), done=True)
            async with BlobWriter(self._blobs, workspace.id) as writer:
                async for received in _receive(steps, BlobAssembler(missing), writer):
                    yield received
            committed = await self._snapshots.commit(workspace.id, manifest, by=by)
        yield Committed(committed, writer.blob_count, writer.size_bytes)

    async def _read_manifest(self, steps: AsyncIterator[Step]) -> Manifest:
        builder = ManifestBuilder(self._limits)
        with refusing_manifests():
            async for step in steps:
                if isinstance(step, ManifestDone):
                    return await asyncio.to_thread(builder.build)
                if not isinstance(step, Files):
                    raise _order("manifest_done", "comes before anything but files")
                for entry in step.entries:
                    builder.add(entry)
        raise _order("manifest_done", "is missing: the push ended before it")


async def _receive(
    steps: AsyncIterator[Step], assembler: BlobAssembler, writer: BlobWriter
) -> AsyncIterator[Received]:
    reported = Received(0, 0)
    while not assembler.is_done:
        step = await anext(steps, None)
        if not isinstance(step, Chunk):
            raise _order("chunk", f"is missing: {assembler.missing_count} contents have not come")
        parts = assembler.take(step.digest, step.data, last=step.last)
        if parts is None:
            continue
        await writer.write(step.digest, parts)
        now = Received(writer.blob_count, writer.size_bytes)
        if (
            now.blob_count - reported.blob_count >= _REPORT_EACH_BLOBS
            or now.size_bytes - reported.size_bytes >= _REPORT_EACH_BYTES
        ):
            reported = now
            yield now


def _order(field: str, description: str) -> Exception:
    return at_field(PushOrder, field, description)
