"""Opens the snapshot that a request names: what the servicer of a tool asks."""

from typing import TYPE_CHECKING

from toolmesh_workspaces.manifest_cache import ManifestCache
from toolmesh_workspaces.snapshot import Snapshot

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub


class SnapshotOpener:
    """Opens snapshots of the workspace service, in the name of whoever is calling.

    The service is asked each time whether the caller may see the workspace, so what is kept here
    is of no use to one who may not any more.
    """

    def __init__(self, stub: "WorkspaceServiceStub") -> None:
        self._stub = stub
        self._manifests = ManifestCache()

    async def open(self, workspace: str, snapshot: str) -> Snapshot:
        """Return a snapshot of a workspace, the newest when none is named.

        Raises:
            grpc.aio.AioRpcError: the workspace service refused or failed; NOT_FOUND when it has no
                such workspace or snapshot for this caller, FAILED_PRECONDITION when the newest was
                asked for and nothing was pushed.
        """
        return await Snapshot.open(
            self._stub, workspace=workspace, snapshot=snapshot, cache=self._manifests
        )
