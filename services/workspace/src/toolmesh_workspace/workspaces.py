"""What is done with workspaces besides pushing and sharing: make, see, list, read, delete."""

from collections.abc import AsyncIterator, Sequence

import structlog

from toolmesh_serving.errors import Unavailable
from toolmesh_serving.page_tokens import read_page_token, write_page_token
from toolmesh_workspace.access import Requester
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.reading import Piece, read_blobs
from toolmesh_workspace.records import Position, Records
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspace.workspace_record import Workspace
from toolmesh_workspaces.manifest import Manifest

_DEFAULT_PAGE_SIZE = 50
_log = structlog.get_logger()


class Workspaces:
    """Every method raises WorkspaceUnknown for what the requester may not see.

    Every method raises Unavailable when a store does not answer.
    """

    def __init__(self, *, records: Records, blobs: BlobStore, snapshots: Snapshots) -> None:
        self._records = records
        self._blobs = blobs
        self._snapshots = snapshots

    async def create(self, display_name: str, *, by: Requester) -> Workspace:
        """Make an empty workspace; it raises DelegatedToken."""
        by.check_may_create()
        return await self._records.create(display_name=display_name, owner=by.subject)

    async def get(self, workspace: str, *, by: Requester) -> Workspace:
        """Return a workspace."""
        return await self._records.get(workspace, by=by)

    async def list(
        self, *, by: Requester, subject: str = "", page_size: int, page_token: str
    ) -> tuple[Sequence[Workspace], str]:
        """Return a page, last pushed first, and the token of the next page, empty for the last.

        The list is the requester's own, or a subject's, which is for administrators. A page size of
        0 is 50. It raises PageTokenInvalid and NotAdmin.
        """
        of = by.listing(subject)
        name = of.subject.encode()
        after = read_page_token(page_token, Position, of=name) if page_token else None
        count = page_size or _DEFAULT_PAGE_SIZE
        page, more = await self._records.list(of=of, after=after, count=count)
        return page, write_page_token(more, of=name) if more is not None else ""

    async def delete(self, workspace: str, *, by: Requester) -> None:
        """Delete a workspace and its contents. It is gone for everybody with the first step.

        It raises AccessTooLow for one who is not the owner.
        """
        await self._records.delete(workspace, by=by)
        try:
            await self._blobs.delete_workspace(workspace)
        except Unavailable:
            # The sweeper has it on its list and finishes this.
            _log.warning("contents not deleted yet", workspace=workspace)

    async def manifest(self, workspace: str, snapshot: str, *, by: Requester) -> Manifest:
        """Return a snapshot's manifest, the newest one's for an empty id.

        It raises SnapshotUnknown and WorkspaceEmpty.
        """
        record = await self._records.get(workspace, by=by)
        return await self._snapshots.open(record, snapshot)

    async def read_blobs(
        self, workspace: str, digests: Sequence[bytes], *, by: Requester
    ) -> AsyncIterator[Sequence[Piece]]:
        """Yield contents in the order asked for; or BlobUnknown."""
        record = await self._records.get(workspace, by=by)
        async for pieces in read_blobs(self._blobs, record.id, digests):
            yield pieces
