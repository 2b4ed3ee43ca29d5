"""What an owner does with workspaces besides pushing: make, see, list, read, delete."""

from collections.abc import AsyncIterator, Sequence

import structlog

from toolmesh_serving.errors import Unavailable
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.page_tokens import read_page_token, write_page_token
from toolmesh_workspace.reading import Piece, read_blobs
from toolmesh_workspace.records import Records, Workspace
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspaces.manifest import Manifest

_DEFAULT_PAGE_SIZE = 50
_log = structlog.get_logger()


class Workspaces:
    """Every method takes the owner and raises WorkspaceUnknown for what is not the owner's.

    Every method raises Unavailable when a store does not answer.
    """

    def __init__(self, *, records: Records, blobs: BlobStore, snapshots: Snapshots) -> None:
        self._records = records
        self._blobs = blobs
        self._snapshots = snapshots

    async def create(self, display_name: str, *, owner: str) -> Workspace:
        """Make an empty workspace."""
        return await self._records.create(display_name=display_name, owner=owner)

    async def get(self, workspace: str, *, owner: str) -> Workspace:
        """Return a workspace."""
        return await self._records.get(workspace, owner=owner)

    async def list(
        self, *, owner: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Workspace], str]:
        """Return a page, last pushed first, and the token of the next page, empty for the last.

        A page size of 0 is 50. It raises PageTokenInvalid.
        """
        after = read_page_token(page_token, owner=owner)
        count = page_size or _DEFAULT_PAGE_SIZE
        page, more = await self._records.list(owner=owner, after=after, count=count)
        return page, write_page_token(more, owner=owner) if more is not None else ""

    async def delete(self, workspace: str, *, owner: str) -> None:
        """Delete a workspace and its contents. It is gone for everybody with the first step."""
        record = await self._records.get(workspace, owner=owner)
        await self._records.delete(record)
        try:
            await self._blobs.delete_workspace(record.id)
        except Unavailable:
            # The sweeper has it on its list and finishes this.
            _log.warning("contents not deleted yet", workspace=record.id)

    async def manifest(self, workspace: str, snapshot: str, *, owner: str) -> Manifest:
        """Return a snapshot's manifest, the newest one's for an empty id; or SnapshotUnknown."""
        record = await self._records.get(workspace, owner=owner)
        return await self._snapshots.open(record, snapshot)

    async def read_blobs(
        self, workspace: str, digests: Sequence[bytes], *, owner: str
    ) -> AsyncIterator[Sequence[Piece]]:
        """Yield contents in the order asked for; or BlobUnknown."""
        record = await self._records.get(workspace, owner=owner)
        async for pieces in read_blobs(self._blobs, record.id, digests):
            yield pieces
