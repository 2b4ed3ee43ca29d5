"""Opens the snapshot that a request names."""

from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from toolmesh_repomap.errors import WorkspaceEmpty
from toolmesh_workspaces.manifest_cache import ManifestCache
from toolmesh_workspaces.snapshot import Snapshot

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub

_SNAPSHOT_UNKNOWN = "SNAPSHOT_UNKNOWN"


class SnapshotOpener:
    """Opens snapshots of the workspace service, in the name of whoever is calling."""

    def __init__(self, stub: "WorkspaceServiceStub") -> None:
        self._stub = stub
        self._manifests = ManifestCache()

    async def open(self, workspace: str, snapshot: str) -> Snapshot:
        """Return a snapshot of a workspace, the newest when none is named.

        Raises:
            WorkspaceEmpty: the newest was asked for, and there is none.
            grpc.aio.AioRpcError: the workspace service refused or failed; NOT_FOUND when it has no
                such workspace or snapshot for this caller.
        """
        try:
            return await Snapshot.open(
                self._stub, workspace=workspace, snapshot=snapshot, cache=self._manifests
            )
        except grpc.aio.AioRpcError as error:
            if not snapshot and _reason(error) == _SNAPSHOT_UNKNOWN:
                raise WorkspaceEmpty(
                    f"nothing was pushed to the workspace {workspace!r} yet",
                    metadata={"workspace": workspace},
                ) from error
            raise


def _reason(error: grpc.aio.AioRpcError) -> str:
    if error.code() is not grpc.StatusCode.NOT_FOUND:
        return ""
    failed: Any = error  # has what a call has, which its type does not say
    status = rpc_status.from_call(failed)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            return info.reason
    return ""
