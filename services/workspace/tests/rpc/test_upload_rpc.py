"""Tar files uploaded through a real server, as the gateway's transcoder sends them."""

import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
import pytest
from google.api.httpbody_pb2 import HttpBody

from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_workspaces.snapshot import Snapshot

StubOf = Callable[..., Awaitable[Any]]
RefusalOf = Callable[[grpc.aio.AioRpcError], tuple[str, str, list[str]]]


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as archive:
        for name, data, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kind
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


async def _messages(workspace: str, data: bytes) -> AsyncIterator[pb.UploadTarRequest]:
    """The first message carries the path's variable and the content type, as Envoy does it."""
    body = HttpBody(content_type="application/x-tar", data=data[:50])
    yield pb.UploadTarRequest(workspace=workspace, tar=body)
    for at in range(50, len(data), 50):
        yield pb.UploadTarRequest(tar=HttpBody(data=data[at : at + 50]))


async def test_an_upload_is_read_like_a_push(stub: Any, workspace: str) -> None:
    """Tools see no difference."""
    packed = _tar(("./src/a.py", b"print()", tarfile.REGTYPE), ("./b", b"", tarfile.REGTYPE))
    answer = await stub.UploadTar(_messages(workspace, packed))
    assert (answer.workspace.file_count, answer.workspace.size_bytes) == (2, 7)
    snapshot = await Snapshot.open(stub, workspace=workspace)
    assert [entry.path for entry in snapshot] == ["b", "src/a.py"]
    assert await snapshot.read("src/a.py") == b"print()"


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (_tar(("../x", b"1", tarfile.REGTYPE)), ("PATH_INVALID", ["tar.members[0].path"])),
        (_tar(("x", b"", tarfile.BLKTYPE)), ("FILE_TYPE_INVALID", ["tar.members[0]"])),
        (b"no tar file", ("TAR_INVALID", ["tar"])),
    ],
)
async def test_a_bad_upload_is_refused_with_the_field(
    stub: Any, workspace: str, refusal_of: RefusalOf, data: bytes, refusal: tuple[str, list[str]]
) -> None:
    """And the workspace stays as it was."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UploadTar(_messages(workspace, data))
    assert refusal_of(caught.value) == ("INVALID_ARGUMENT", *refusal)
    got = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))
    assert got.workspace.snapshot == ""


async def test_an_upload_without_a_workspace_is_refused(stub: Any, refusal_of: RefusalOf) -> None:
    """Over HTTP the path has it; a gRPC client can forget it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UploadTar(_messages("", b"x"))
    assert refusal_of(caught.value) == ("INVALID_ARGUMENT", "FIELD_INVALID", ["workspace"])
