"""The snapshots of a workspace: opened, compared with what is stored, and made the newest."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from toolmesh_workspace.access import Requester
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.errors import (
    DigestMismatch,
    SnapshotUnknown,
    WorkspaceDeleted,
    WorkspaceEmpty,
    at_field,
)
from toolmesh_workspace.records import Records
from toolmesh_workspace.workspace_record import Workspace
from toolmesh_workspaces.manifest import Manifest, decode, is_snapshot_id
from toolmesh_workspaces.manifest_cache import ManifestCache

_MISSING_A_BATCH = 1000


class Snapshots:
    """Reads and makes snapshots. Every method raises Unavailable when a store does not answer."""

    def __init__(self, *, records: Records, blobs: BlobStore, cache: ManifestCache) -> None:
        self._records = records
        self._blobs = blobs
        self._cache = cache

    async def open(self, workspace: Workspace, snapshot: str = "") -> Manifest:
        """Return a snapshot's manifest, the newest one's when none is named.

        The caller has got the workspace from the records, which was the check of who may see it. It
        raises SnapshotUnknown, and WorkspaceEmpty when there is no newest one.
        """
        wanted = snapshot or workspace.snapshot
        if not wanted:
            raise WorkspaceEmpty(
                f"nothing was pushed to the workspace {workspace.id!r} yet",
                metadata={"workspace": workspace.id},
            )
        known = wanted == workspace.snapshot or (
            is_snapshot_id(wanted) and await self._records.has_snapshot(workspace.id, wanted)
        )
        manifest = await self._load(workspace.id, wanted) if known else None
        if manifest is None:
            raise SnapshotUnknown(
                f"the workspace {workspace.id!r} has no snapshot {wanted!r}, or not any more",
                metadata={"workspace": workspace.id, "snapshot": wanted},
            )
        return manifest

    async def contents_of(self, workspace: str, snapshot: str) -> Mapping[bytes, int] | None:
        """Return the contents of a kept snapshot: digest -> size; None when it is not stored."""
        manifest = await self._load(workspace, snapshot)
        return None if manifest is None else manifest.contents

    async def missing(
        self, workspace: Workspace, manifest: Manifest
    ) -> AsyncIterator[Mapping[bytes, int]]:
        """Yield the contents of a manifest that are not stored: digest -> size, in batches.

        What the newest snapshot has is known without asking the store. The caller holds a lease, so
        what is not missing stays. A stored content of another size than the manifest states counts
        as missing: it may be what a power cut left of it, and when it comes it is checked, and
        written anew. It raises DigestMismatch when the newest snapshot states another size.
        """
        unknown = dict(manifest.contents)
        if workspace.snapshot:
            newest = await self.contents_of(workspace.id, workspace.snapshot)
            _strike(unknown, newest or {}, manifest)
            stored = self._blobs.stats(workspace.id, tuple(unknown))
        else:
            # The first push: there is nothing but what an earlier try left, so one look at that is
            # cheaper than to ask for each content.
            stored = self._blobs.list_blobs(workspace.id)
        async for found in stored:
            for blob in found:
                if unknown.get(blob.digest) == blob.size_bytes:
                    del unknown[blob.digest]
        pending = list(unknown.items())
        for at in range(0, len(pending), _MISSING_A_BATCH):
            yield dict(pending[at : at + _MISSING_A_BATCH])

    async def commit(self, workspace: str, manifest: Manifest, *, by: Requester) -> Workspace:
        """Make a manifest the workspace's newest snapshot; all its contents are stored.

        It raises WorkspaceUnknown and AccessTooLow when the requester may not push any more. Of a
        workspace that was deleted meanwhile it leaves nothing in the store.
        """
        # A tenth of a second for many files: not on the event loop.
        snapshot, data = await asyncio.to_thread(lambda: (manifest.snapshot, manifest.encode()))
        await self._blobs.put_manifest(workspace, snapshot, data)
        try:
            record = await self._records.commit(
                workspace,
                by=by,
                snapshot=snapshot,
                file_count=len(manifest.files),
                size_bytes=manifest.size_bytes,
            )
        except WorkspaceDeleted:
            await self._blobs.delete_workspace(workspace)
            raise
        self._cache.put(workspace, manifest)
        return record

    async def _load(self, workspace: str, snapshot: str) -> Manifest | None:
        async with self._cache.turn(workspace, snapshot):
            manifest = self._cache.get(workspace, snapshot)
            if manifest is None:
                data = await self._blobs.get_manifest(workspace, snapshot)
                if data is None:
                    return None
                manifest = await asyncio.to_thread(decode, data)
                self._cache.put(workspace, manifest)
        return manifest


def _strike(unknown: dict[bytes, int], newest: Mapping[bytes, int], manifest: Manifest) -> None:
    for digest in unknown.keys() & newest.keys():
        if unknown.pop(digest) != newest[digest]:
            index = next(at for at, file in enumerate(manifest.files) if file.digest == digest)
            raise at_field(
                DigestMismatch,
                f"files[{index}].size_bytes",
                f"is not the size of the content with this digest, which is {newest[digest]}",
            )
