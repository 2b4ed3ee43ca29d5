"""The client believes no service: what it sends is checked before a tool sees it.

The service here is one that lies, which the real one cannot be brought to do.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from blake3 import blake3

from toolmesh.workspace.v1 import workspace_pb2, workspace_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_workspaces.manifest import FileEntry, Manifest
from toolmesh_workspaces.push import push_folder
from toolmesh_workspaces.refusals import ManifestError
from toolmesh_workspaces.snapshot import CorruptSnapshotError, Snapshot

_DIGEST = blake3(b"content").digest()


@dataclass
class _Liar(workspace_service_pb2_grpc.WorkspaceServiceServicer):
    """Answers with what it is told to."""

    snapshot: str = ""
    files: list[workspace_pb2.File] = field(default_factory=list[workspace_pb2.File])
    chunks: list[pb.BlobChunk] = field(default_factory=list[pb.BlobChunk])

    async def GetWorkspace(self, request: Any, context: Any) -> pb.GetWorkspaceResponse:
        return pb.GetWorkspaceResponse(workspace=workspace_pb2.Workspace(snapshot=self.snapshot))

    async def GetManifest(
        self, request: Any, context: Any
    ) -> AsyncIterator[pb.GetManifestResponse]:
        yield pb.GetManifestResponse(snapshot=self.snapshot, files=self.files)

    async def ReadBlobs(self, request: Any, context: Any) -> AsyncIterator[pb.ReadBlobsResponse]:
        yield pb.ReadBlobsResponse(chunks=self.chunks)

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: Any
    ) -> AsyncIterator[pb.PushResponse]:
        yield pb.PushResponse(missing=pb.MissingBlobs(done=True))


@pytest.fixture
def liar() -> Any:
    """What the service answers with."""
    # The other RPCs are not called, and the generated class has them at run time.
    return _Liar()  # ty: ignore[abstract-class-instantiation]


@pytest.fixture
async def stub(liar: Any, socket_folder: Path) -> AsyncGenerator[Any]:
    """Calls the service that lies."""
    server = grpc.aio.server()
    workspace_service_pb2_grpc.add_WorkspaceServiceServicer_to_server(liar, server)
    address = f"unix:{socket_folder}/liar.sock"
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield workspace_service_pb2_grpc.WorkspaceServiceStub(channel)
    await server.stop(None)


def _snapshot(stub: Any) -> Snapshot:
    manifest = Manifest((FileEntry("a", _DIGEST, 7),))
    return Snapshot(stub, workspace="w", manifest=manifest)


async def test_a_manifest_that_is_not_the_snapshots_is_noticed(stub: Any, liar: Any) -> None:
    """The snapshot's id is the digest of its manifest, so a changed one does not pass."""
    liar.snapshot = Manifest((FileEntry("a", _DIGEST, 7),)).snapshot
    liar.files = [workspace_pb2.File(path="b", digest=_DIGEST, size_bytes=7)]
    with pytest.raises(CorruptSnapshotError, match="manifest"):
        await Snapshot.open(stub, workspace="w")


async def test_a_manifest_that_leaves_the_tree_is_noticed(stub: Any, liar: Any) -> None:
    """A checkout must be safe whoever made the snapshot."""
    liar.snapshot = "0" * 64
    liar.files = [workspace_pb2.File(path="../a", digest=_DIGEST, size_bytes=7)]
    with pytest.raises(ManifestError, match="has a part"):
        await Snapshot.open(stub, workspace="w")


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [pb.BlobChunk(digest=_DIGEST, data=b"cont")],
        [pb.BlobChunk(digest=_DIGEST, data=b"changed", last=True)],
        [pb.BlobChunk(digest=b"x" * 32, data=b"content", last=True)],
        [pb.BlobChunk(digest=_DIGEST, data=b"content", last=True)] * 2,
    ],
    ids=["nothing", "half", "changed", "other", "twice"],
)
async def test_a_content_that_was_not_asked_for_is_noticed(
    stub: Any, liar: Any, chunks: list[pb.BlobChunk]
) -> None:
    """Missing, cut off, changed, of another digest, or one too many."""
    liar.chunks = chunks
    with pytest.raises(CorruptSnapshotError, match="sent"):
        [pair async for pair in _snapshot(stub).read_many([_DIGEST])]


async def test_a_push_without_a_commit_is_no_success(stub: Any, tmp_path: Path) -> None:
    """A stream that just ends is a failure."""
    (tmp_path / "a").write_text("x")
    with pytest.raises(ConnectionError, match="without a commit"):
        await push_folder(stub, workspace="w", root=tmp_path)
