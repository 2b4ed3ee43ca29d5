"""Opens the snapshot that a request names, with the contents that are in memory."""

from typing import TYPE_CHECKING

from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_workspaces.snapshot_opener import SnapshotOpener

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub


class CachedSnapshotOpener:
    """Opens snapshots in the name of whoever is calling."""

    def __init__(self, stub: "WorkspaceServiceStub", contents: ContentCache) -> None:
        self._opener = SnapshotOpener(stub)
        self._contents = contents

    async def open(self, workspace: str, snapshot: str) -> CachedSnapshot:
        """Return a snapshot of a workspace, the newest when none is named.

        Raises what `SnapshotOpener.open` raises.
        """
        return CachedSnapshot(await self._opener.open(workspace, snapshot), self._contents)
