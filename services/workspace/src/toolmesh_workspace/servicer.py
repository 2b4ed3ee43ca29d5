"""The workspace service's RPCs: protos to domain and back."""

from collections.abc import AsyncIterator
from typing import Any, Final, assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.workspace.v1 import workspace_pb2, workspace_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_serving.caller import current_caller
from toolmesh_serving.errors import FieldInvalid
from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.errors import at_field
from toolmesh_workspace.push import (
    Accepted,
    Begin,
    Chunk,
    Committed,
    Event,
    Files,
    ManifestDone,
    Missing,
    Pushes,
    Received,
    Step,
)
from toolmesh_workspace.sharing import Sharing
from toolmesh_workspace.tar_upload import TarUploads
from toolmesh_workspace.workspace_record import Workspace
from toolmesh_workspace.workspaces import Workspaces
from toolmesh_workspaces.wire import entry_of, file_batches

_ACCESS: Final = {
    workspace_pb2.WORKSPACE_ACCESS_READER: Access.READER,
    workspace_pb2.WORKSPACE_ACCESS_WRITER: Access.WRITER,
    workspace_pb2.WORKSPACE_ACCESS_OWNER: Access.OWNER,
}
_PROTO_ACCESS: Final = {
    Access.NONE: workspace_pb2.WORKSPACE_ACCESS_UNSPECIFIED,
    **{access: value for value, access in _ACCESS.items()},
}


class WorkspaceServicer(workspace_service_pb2_grpc.WorkspaceServiceServicer):
    """Serves `WorkspaceService`."""

    def __init__(
        self, *, workspaces: Workspaces, sharing: Sharing, pushes: Pushes, uploads: TarUploads
    ) -> None:
        self._workspaces = workspaces
        self._sharing = sharing
        self._pushes = pushes
        self._uploads = uploads

    async def CreateWorkspace(
        self, request: pb.CreateWorkspaceRequest, context: Any
    ) -> pb.CreateWorkspaceResponse:
        """See the proto."""
        made = await self._workspaces.create(request.display_name, by=_requester())
        return pb.CreateWorkspaceResponse(workspace=_workspace(made))

    async def GetWorkspace(
        self, request: pb.GetWorkspaceRequest, context: Any
    ) -> pb.GetWorkspaceResponse:
        """See the proto."""
        found = await self._workspaces.get(request.workspace, by=_requester())
        return pb.GetWorkspaceResponse(workspace=_workspace(found))

    async def ListWorkspaces(
        self, request: pb.ListWorkspacesRequest, context: Any
    ) -> pb.ListWorkspacesResponse:
        """See the proto."""
        page, next_page_token = await self._workspaces.list(
            by=_requester(),
            subject=request.subject,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListWorkspacesResponse(
            workspaces=map(_workspace, page), next_page_token=next_page_token
        )

    async def DeleteWorkspace(
        self, request: pb.DeleteWorkspaceRequest, context: Any
    ) -> pb.DeleteWorkspaceResponse:
        """See the proto."""
        await self._workspaces.delete(request.workspace, by=_requester())
        return pb.DeleteWorkspaceResponse()

    async def ShareWorkspace(
        self, request: pb.ShareWorkspaceRequest, context: Any
    ) -> pb.ShareWorkspaceResponse:
        """See the proto."""
        shared = await self._sharing.share(
            request.workspace,
            request.subject,
            access=_ACCESS.get(request.access, Access.NONE),
            by=_requester(),
        )
        return pb.ShareWorkspaceResponse(workspace=_workspace(shared))

    async def UnshareWorkspace(
        self, request: pb.UnshareWorkspaceRequest, context: Any
    ) -> pb.UnshareWorkspaceResponse:
        """See the proto."""
        await self._sharing.unshare(request.workspace, request.subject, by=_requester())
        return pb.UnshareWorkspaceResponse()

    async def TransferWorkspace(
        self, request: pb.TransferWorkspaceRequest, context: Any
    ) -> pb.TransferWorkspaceResponse:
        """See the proto."""
        given = await self._sharing.transfer(request.workspace, request.subject, by=_requester())
        return pb.TransferWorkspaceResponse(workspace=_workspace(given))

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: Any
    ) -> AsyncIterator[pb.PushResponse]:
        """See the proto."""
        async for event in self._pushes.push(_steps(request_iterator), by=_requester()):
            yield _response(event)

    async def UploadTar(
        self, request_iterator: AsyncIterator[pb.UploadTarRequest], context: Any
    ) -> pb.UploadTarResponse:
        """See the proto."""
        first = await anext(request_iterator, None)
        if first is None or not first.workspace:
            raise at_field(FieldInvalid, "workspace", "is required in the first message")
        parts = _tar_parts(first, request_iterator)
        record = await self._uploads.upload(first.workspace, parts, by=_requester())
        return pb.UploadTarResponse(workspace=_workspace(record))

    async def GetManifest(
        self, request: pb.GetManifestRequest, context: Any
    ) -> AsyncIterator[pb.GetManifestResponse]:
        """See the proto."""
        manifest = await self._workspaces.manifest(
            request.workspace, request.snapshot, by=_requester()
        )
        for files in file_batches(manifest.files):
            yield pb.GetManifestResponse(snapshot=manifest.snapshot, files=files)
        if not manifest.files:
            yield pb.GetManifestResponse(snapshot=manifest.snapshot)

    async def ReadBlobs(
        self, request: pb.ReadBlobsRequest, context: Any
    ) -> AsyncIterator[pb.ReadBlobsResponse]:
        """See the proto."""
        async for pieces in self._workspaces.read_blobs(
            request.workspace, request.digests, by=_requester()
        ):
            chunks = (pb.BlobChunk(digest=p.digest, data=p.data, last=p.last) for p in pieces)
            yield pb.ReadBlobsResponse(chunks=chunks)


def _requester() -> Requester:
    return Requester.of(current_caller())


async def _steps(requests: AsyncIterator[pb.PushRequest]) -> AsyncIterator[Step]:
    async for request in requests:
        match request.WhichOneof("step"):
            case "begin":
                yield Begin(request.begin.workspace)
            case "files":
                yield Files(tuple(map(entry_of, request.files.files)))
            case "manifest_done":
                yield ManifestDone()
            case "chunk":
                yield Chunk(request.chunk.digest, request.chunk.data, request.chunk.last)
            case _:
                yield None


def _response(event: Event) -> pb.PushResponse:
    match event:
        case Accepted():
            return pb.PushResponse(accepted=pb.PushAccepted())
        case Missing():
            missing = pb.MissingBlobs(digests=event.digests, done=event.done)
            return pb.PushResponse(missing=missing)
        case Received():
            received = pb.ReceivedBlobs(blob_count=event.blob_count, size_bytes=event.size_bytes)
            return pb.PushResponse(received=received)
        case Committed():
            committed = pb.PushCommitted(
                workspace=_workspace(event.workspace),
                uploaded_blob_count=event.blob_count,
                uploaded_bytes=event.size_bytes,
            )
            return pb.PushResponse(committed=committed)
    assert_never(event)


async def _tar_parts(
    first: pb.UploadTarRequest, others: AsyncIterator[pb.UploadTarRequest]
) -> AsyncIterator[bytes]:
    yield first.tar.data
    async for request in others:
        yield request.tar.data


def _workspace(record: Workspace) -> workspace_pb2.Workspace:
    """The workspace as the caller may see it."""
    access = record.access_of(_requester())
    shown = workspace_pb2.Workspace(
        id=record.id,
        display_name=record.display_name,
        owner=record.owner,
        snapshot=record.snapshot,
        file_count=record.file_count,
        size_bytes=record.size_bytes,
        create_time=_timestamp(record.create_time),
        update_time=_timestamp(record.update_time),
        access=_PROTO_ACCESS[access],
    )
    if access is Access.OWNER:
        for subject, given in sorted(record.members.items()):
            (shown.readers if given is Access.READER else shown.writers).append(subject)
    return shown


def _timestamp(micros: int) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(micros)
    return timestamp
