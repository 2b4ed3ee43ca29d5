"""The workspace service's RPCs: protos to domain and back."""

from collections.abc import AsyncIterator
from typing import Any, assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.workspace.v1 import workspace_pb2, workspace_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_serving.caller import current_caller
from toolmesh_serving.errors import FieldInvalid
from toolmesh_workspace.errors import at_field
from toolmesh_workspace.push import (
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
from toolmesh_workspace.records import Workspace
from toolmesh_workspace.tar_upload import TarUploads
from toolmesh_workspace.workspaces import Workspaces
from toolmesh_workspaces.wire import entry_of, file_batches


class WorkspaceServicer(workspace_service_pb2_grpc.WorkspaceServiceServicer):
    """Serves `WorkspaceService`."""

    def __init__(self, *, workspaces: Workspaces, pushes: Pushes, uploads: TarUploads) -> None:
        self._workspaces = workspaces
        self._pushes = pushes
        self._uploads = uploads

    async def CreateWorkspace(
        self, request: pb.CreateWorkspaceRequest, context: Any
    ) -> pb.CreateWorkspaceResponse:
        """See the proto."""
        made = await self._workspaces.create(request.display_name, owner=_caller())
        return pb.CreateWorkspaceResponse(workspace=_workspace(made))

    async def GetWorkspace(
        self, request: pb.GetWorkspaceRequest, context: Any
    ) -> pb.GetWorkspaceResponse:
        """See the proto."""
        found = await self._workspaces.get(request.workspace, owner=_caller())
        return pb.GetWorkspaceResponse(workspace=_workspace(found))

    async def ListWorkspaces(
        self, request: pb.ListWorkspacesRequest, context: Any
    ) -> pb.ListWorkspacesResponse:
        """See the proto."""
        page, next_page_token = await self._workspaces.list(
            owner=_caller(), page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListWorkspacesResponse(
            workspaces=map(_workspace, page), next_page_token=next_page_token
        )

    async def DeleteWorkspace(
        self, request: pb.DeleteWorkspaceRequest, context: Any
    ) -> pb.DeleteWorkspaceResponse:
        """See the proto."""
        await self._workspaces.delete(request.workspace, owner=_caller())
        return pb.DeleteWorkspaceResponse()

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: Any
    ) -> AsyncIterator[pb.PushResponse]:
        """See the proto."""
        async for event in self._pushes.push(_steps(request_iterator), owner=_caller()):
            yield _response(event)

    async def UploadTar(
        self, request_iterator: AsyncIterator[pb.UploadTarRequest], context: Any
    ) -> pb.UploadTarResponse:
        """See the proto."""
        first = await anext(request_iterator, None)
        if first is None or not first.workspace:
            raise at_field(FieldInvalid, "workspace", "is required in the first message")
        parts = _tar_parts(first, request_iterator)
        record = await self._uploads.upload(first.workspace, parts, owner=_caller())
        return pb.UploadTarResponse(workspace=_workspace(record))

    async def GetManifest(
        self, request: pb.GetManifestRequest, context: Any
    ) -> AsyncIterator[pb.GetManifestResponse]:
        """See the proto."""
        manifest = await self._workspaces.manifest(
            request.workspace, request.snapshot, owner=_caller()
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
            request.workspace, request.digests, owner=_caller()
        ):
            chunks = (pb.BlobChunk(digest=p.digest, data=p.data, last=p.last) for p in pieces)
            yield pb.ReadBlobsResponse(chunks=chunks)


def _caller() -> str:
    return current_caller().subject


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
    return workspace_pb2.Workspace(
        id=record.id,
        display_name=record.display_name,
        owner=record.owner,
        snapshot=record.snapshot,
        file_count=record.file_count,
        size_bytes=record.size_bytes,
        create_time=_timestamp(record.create_time),
        update_time=_timestamp(record.update_time),
    )


def _timestamp(micros: int) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(micros)
    return timestamp
