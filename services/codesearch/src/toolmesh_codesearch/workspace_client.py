"""Opens the snapshot that a request names."""

from typing import TYPE_CHECKING

from toolmesh_codesearch.contents import CachedSnapshot, ContentCache
from toolmesh_workspaces.manifest_cache import ManifestCache
from toolmesh_workspaces.snapshot import Snapshot

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub


class SnapshotOpener:
    """Opens snapshots of the workspace service, in the name of whoever is calling."""

    def __init__(self, stub: "WorkspaceServiceStub", contents: ContentCache) -> None:
        self._stub = stub
        self._contents = contents
        self._manifests = ManifestCache()

    async def open(self, workspace: str, snapshot: str) -> CachedSnapshot:
        """Return a snapshot of a workspace, the newest when none is named.

        Raises:
            grpc.aio.AioRpcError: the workspace service refused or failed; NOT_FOUND when it has no
                such workspace or snapshot for this caller, FAILED_PRECONDITION when the newest was
                asked for and there is none.
        """
        opened = await Snapshot.open(
            self._stub, workspace=workspace, snapshot=snapshot, cache=self._manifests
        )
        return CachedSnapshot(opened, self._contents)
