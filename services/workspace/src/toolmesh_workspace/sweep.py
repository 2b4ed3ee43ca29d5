"""Deletes what nobody needs any more, in the background.

Two kinds: what is left of deleted workspaces (a push that ran meanwhile may have written after the
deletion), and contents that no kept snapshot names: of old snapshots, and of pushes that broke off.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import structlog

from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.leases import Leases
from toolmesh_workspace.records import SNAPSHOTS_KEPT, Records
from toolmesh_workspace.snapshots import Snapshots

_SECONDS_BETWEEN_SWEEPS = 600
_log = structlog.get_logger()


class Sweeper:
    """Looks for work now and then. Replicas may all run one: what they do can be done twice."""

    def __init__(
        self, *, records: Records, leases: Leases, blobs: BlobStore, snapshots: Snapshots
    ) -> None:
        self._records = records
        self._leases = leases
        self._blobs = blobs
        self._snapshots = snapshots

    async def run(self) -> None:
        """Sweep until cancelled; a failure is logged and tried again the next time."""
        while True:
            try:
                await self.sweep()
            except Exception as error:
                _log.warning("sweep failed", error=str(error))
            await asyncio.sleep(_SECONDS_BETWEEN_SWEEPS)

    async def sweep(self) -> None:
        """Do all that is due; a workspace with which that fails waits for the next time."""
        for workspace in await self._records.due_deleted():
            with _logged(workspace):
                await self._blobs.delete_workspace(workspace)
                await self._records.settle_deleted(workspace)
        for workspace in await self._records.due_unswept():
            with _logged(workspace):
                count = await self.sweep_workspace(workspace)
                _log.info("swept", workspace=workspace, deleted=count)

    async def sweep_workspace(self, workspace: str) -> int | None:
        """Delete what no kept snapshot names; return how many, None while a push runs."""
        async with self._leases.sweeping(workspace) as alone:
            if not alone:
                return None
            kept = await self._records.trim_snapshots(workspace)
            live = await self._live(workspace, kept)
            count = 0
            async for objects in self._blobs.list_objects(workspace):
                dead = [each for each in objects if each.name not in live]
                if dead:
                    await self._blobs.delete_objects(dead)
                    count += len(dead)
            await self._blobs.delete_unfinished(workspace)
            # Those beyond will need no keeping soon.
            await self._records.settle_unswept(workspace, again=len(kept) > SNAPSHOTS_KEPT)
            return count

    async def _live(self, workspace: str, kept: Sequence[str]) -> set[str]:
        """Return the hex digests that are needed: kept manifests and their contents."""
        live = set(kept)
        for snapshot in kept:
            contents = await self._snapshots.contents_of(workspace, snapshot)
            if contents is None:
                # What it names cannot be known, so nothing is safe to delete.
                raise LookupError(f"the manifest {snapshot} of {workspace} is not stored")
            live.update(digest.hex() for digest in contents)
        return live


@contextmanager
def _logged(workspace: str) -> Generator[None]:
    """Log what fails with one workspace, so that the others get their turn."""
    try:
        yield
    except Exception as error:
        _log.warning("sweep failed", workspace=workspace, error=str(error))
