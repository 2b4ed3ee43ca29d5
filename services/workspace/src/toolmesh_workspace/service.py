"""Puts the workspace service together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from toolmesh.workspace.v1 import workspace_service_pb2_grpc
from toolmesh_serving.background import working
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.redis_store import open_store
from toolmesh_serving.server import Service, Servicer
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.leases import Leases
from toolmesh_workspace.push import Pushes
from toolmesh_workspace.push_slots import PushSlots
from toolmesh_workspace.records import Records
from toolmesh_workspace.servicer import WorkspaceServicer
from toolmesh_workspace.settings import Settings
from toolmesh_workspace.sharing import Sharing
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspace.sweep import Sweeper
from toolmesh_workspace.tar_upload import TarUploads
from toolmesh_workspace.workspaces import Workspaces
from toolmesh_workspaces.manifest_cache import ManifestCache


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Open what the service needs; Redis and S3 are asked when they are first needed.

    It raises ValueError when the blob store's location makes no sense, and OSError when its folder
    cannot be made.
    """
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        store = await stack.enter_async_context(
            open_store(settings.redis_url, decode_responses=True)
        )
        records, leases = Records(store), Leases(store)
        blobs = BlobStore.open(settings.blob_store)
        snapshots = Snapshots(records=records, blobs=blobs, cache=ManifestCache())
        sweeper = Sweeper(records=records, leases=leases, blobs=blobs, snapshots=snapshots)
        await stack.enter_async_context(working(sweeper.run()))
        slots = PushSlots(
            most=settings.workspace_max_pushes,
            most_a_subject=settings.workspace_max_pushes_a_subject,
        )
        pushes = Pushes(
            records=records,
            leases=leases,
            blobs=blobs,
            snapshots=snapshots,
            slots=slots,
            limits=settings.limits,
        )
        uploads = TarUploads(
            records=records,
            leases=leases,
            blobs=blobs,
            snapshots=snapshots,
            slots=slots,
            limits=settings.limits,
            spool_folder=settings.spool_folder,
        )
        workspaces = Workspaces(records=records, blobs=blobs, snapshots=snapshots)
        servicer = WorkspaceServicer(
            workspaces=workspaces, sharing=Sharing(records), pushes=pushes, uploads=uploads
        )
        add = workspace_service_pb2_grpc.add_WorkspaceServiceServicer_to_server
        yield Service(name="workspace", servicers=(Servicer(add, servicer),), verifier=verifier)
