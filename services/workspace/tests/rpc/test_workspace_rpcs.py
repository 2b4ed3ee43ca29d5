"""Workspaces through a real server: made, seen by their owner alone, listed, read, deleted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc.aio
import pytest
from blake3 import blake3

from toolmesh.workspace.v1 import workspace_pb2
from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_serving.redis_store import open_store

StubOf = Callable[..., Awaitable[Any]]
RefusalOf = Callable[[grpc.aio.AioRpcError], tuple[str, str, list[str]]]


async def _create(stub: Any, name: str = "My repo") -> str:
    made = await stub.CreateWorkspace(pb.CreateWorkspaceRequest(display_name=name))
    return made.workspace.id


async def test_a_workspace_is_made_and_got(stub_of: StubOf) -> None:
    """It belongs to the token's subject and is empty."""
    stub = await stub_of("ann")
    made = (await stub.CreateWorkspace(pb.CreateWorkspaceRequest(display_name="My repo"))).workspace
    assert made.id.startswith("my-repo-")
    assert (made.owner, made.display_name, made.snapshot) == ("ann", "My repo", "")
    assert made.create_time.seconds > 1_600_000_000
    got = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=made.id))
    assert got.workspace == made


@pytest.mark.parametrize(
    ("method", "request_of"),
    [
        ("GetWorkspace", lambda w: pb.GetWorkspaceRequest(workspace=w)),
        ("DeleteWorkspace", lambda w: pb.DeleteWorkspaceRequest(workspace=w)),
        ("GetManifest", lambda w: pb.GetManifestRequest(workspace=w)),
        ("ReadBlobs", lambda w: pb.ReadBlobsRequest(workspace=w, digests=[b"x" * 32])),
        (
            "ShareWorkspace",
            lambda w: pb.ShareWorkspaceRequest(
                workspace=w, subject="x", access=workspace_pb2.WORKSPACE_ACCESS_READER
            ),
        ),
        ("UnshareWorkspace", lambda w: pb.UnshareWorkspaceRequest(workspace=w, subject="x")),
        ("UnshareWorkspace", lambda w: pb.UnshareWorkspaceRequest(workspace=w, subject="bob")),
        ("Push", lambda w: iter([pb.PushRequest(begin=pb.PushBegin(workspace=w))])),
        ("UploadTar", lambda w: iter([pb.UploadTarRequest(workspace=w)])),
    ],
)
async def test_someone_elses_workspace_does_not_exist(
    stub_of: StubOf, refusal_of: RefusalOf, method: str, request_of: Callable[[str], Any]
) -> None:
    """Every RPC answers as for an id that nobody has."""
    workspace = await _create(await stub_of("ann"))
    call = getattr(await stub_of("bob"), method)
    errors: list[grpc.aio.AioRpcError] = []
    for name in (workspace, "nobody-has-this"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _finish(call(request_of(name)))
        errors.append(caught.value)
    assert [refusal_of(error) for error in errors] == [("NOT_FOUND", "WORKSPACE_UNKNOWN", [])] * 2
    assert errors[0].details() == (errors[1].details() or "").replace("nobody-has-this", workspace)


async def _finish(call: Any) -> None:
    if hasattr(call, "__aiter__"):
        async for _ in call:
            pass
    else:
        await call


async def test_lists_are_paged_and_ones_own(stub_of: StubOf) -> None:
    """Last made first."""
    ann, bob = await stub_of("ann"), await stub_of("bob")
    made = [await _create(ann, f"w{n}") for n in range(5)]
    await _create(bob)
    listed: list[str] = []
    token = ""
    while True:
        page = await ann.ListWorkspaces(pb.ListWorkspacesRequest(page_size=2, page_token=token))
        listed += [workspace.id for workspace in page.workspaces]
        token = page.next_page_token
        if not token:
            break
    assert listed == list(reversed(made))


async def test_a_page_token_of_another_list_is_refused(
    stub_of: StubOf, refusal_of: RefusalOf
) -> None:
    """With the field's name."""
    ann, bob = await stub_of("ann"), await stub_of("bob")
    for number in range(2):
        await _create(ann, f"w{number}")
    page = await ann.ListWorkspaces(pb.ListWorkspacesRequest(page_size=1))
    for token in (page.next_page_token, "rubbish"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bob.ListWorkspaces(pb.ListWorkspacesRequest(page_token=token))
        assert refusal_of(caught.value) == (
            "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["page_token"],
        )  # fmt: skip


async def test_a_deleted_workspace_is_gone(stub_of: StubOf, refusal_of: RefusalOf) -> None:
    """A second deletion finds nothing."""
    stub = await stub_of("ann")
    request = pb.DeleteWorkspaceRequest(workspace=await _create(stub))
    await stub.DeleteWorkspace(request)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DeleteWorkspace(request)
    assert refusal_of(caught.value)[:2] == ("NOT_FOUND", "WORKSPACE_UNKNOWN")
    assert not (await stub.ListWorkspaces(pb.ListWorkspacesRequest())).workspaces


async def test_a_viewer_may_not_write(stub_of: StubOf, refusal_of: RefusalOf) -> None:
    """Reading and writing are two scopes."""
    stub = await stub_of("vic", "viewer")
    await stub.ListWorkspaces(pb.ListWorkspacesRequest())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _create(stub)
    assert refusal_of(caught.value)[:2] == ("PERMISSION_DENIED", "SCOPE_MISSING")


@pytest.mark.parametrize(
    ("snapshot", "refusal"),
    [
        ("", ("FAILED_PRECONDITION", "WORKSPACE_EMPTY", [])),
        ("0" * 64, ("NOT_FOUND", "SNAPSHOT_UNKNOWN", [])),
    ],
)
async def test_a_snapshot_that_is_not_there_is_told(
    stub_of: StubOf, refusal_of: RefusalOf, snapshot: str, refusal: tuple[str, str, list[str]]
) -> None:
    """The newest of an empty workspace, or one that it never had."""
    stub = await stub_of("ann")
    request = pb.GetManifestRequest(workspace=await _create(stub), snapshot=snapshot)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _finish(stub.GetManifest(request))
    assert refusal_of(caught.value) == refusal


async def test_a_content_that_is_not_there_is_told(stub_of: StubOf, refusal_of: RefusalOf) -> None:
    """Even when another workspace of the same owner has it."""
    stub = await stub_of("ann")
    one, two = await _create(stub), await _create(stub)
    await _push(stub, one, {"a": b"secret"})
    digest = blake3(b"secret").digest()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _finish(stub.ReadBlobs(pb.ReadBlobsRequest(workspace=two, digests=[digest])))
    assert refusal_of(caught.value) == ("NOT_FOUND", "BLOB_UNKNOWN", [])


async def _push(
    stub: Any, workspace: str, files: dict[str, bytes], *, contents: Sequence[bytes] | None = None
) -> None:
    """Push without looking at the answers, which a client may do when all is new."""

    async def requests() -> Any:
        yield pb.PushRequest(begin=pb.PushBegin(workspace=workspace))
        message = pb.PushFiles()
        for path, data in sorted(files.items()):
            message.files.add(path=path, digest=blake3(data).digest(), size_bytes=len(data))
        yield pb.PushRequest(files=message)
        yield pb.PushRequest(manifest_done=pb.PushManifestDone())
        for data in files.values() if contents is None else contents:
            chunk = pb.BlobChunk(digest=blake3(data).digest(), data=data, last=True)
            yield pb.PushRequest(chunk=chunk)

    await _finish(stub.Push(requests()))


def _file(path: str, **fields: Any) -> dict[str, Any]:
    return {"path": path, "digest": blake3(b"1").digest(), "size_bytes": 1} | fields


@pytest.mark.parametrize(
    ("files", "reason", "field"),
    [
        ([_file("../a")], "PATH_INVALID", "files[0].path"),
        ([_file("/etc/passwd")], "PATH_INVALID", "files[0].path"),
        ([_file("b"), _file("a")], "PATH_INVALID", "files[1].path"),
        ([_file("a", size_bytes=2**40)], "TOO_LARGE", "files[0].size_bytes"),
        (
            [{"path": "l", "symlink_target": "../x"}],
            "FILE_TYPE_INVALID",
            "files[0].symlink_target",
        ),
        ([_file("a", digest=b"1")], "DIGEST_MISMATCH", "files[0].digest"),
    ],
)
async def test_a_bad_manifest_is_refused_with_the_field(
    stub_of: StubOf,
    refusal_of: RefusalOf,
    files: list[dict[str, Any]],
    reason: str,
    field: str,
) -> None:
    """As INVALID_ARGUMENT."""
    stub = await stub_of("ann")
    workspace = await _create(stub)
    messages = [
        pb.PushRequest(begin=pb.PushBegin(workspace=workspace)),
        pb.PushRequest(files=pb.PushFiles(files=[workspace_pb2.File(**each) for each in files])),
        pb.PushRequest(manifest_done=pb.PushManifestDone()),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _finish(stub.Push(iter(messages)))
    assert refusal_of(caught.value) == ("INVALID_ARGUMENT", reason, [field])


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (pb.BlobChunk(digest=blake3(b"1").digest(), data=b"2", last=True), "DIGEST_MISMATCH"),
        (pb.BlobChunk(digest=blake3(b"1").digest(), data=b"12"), "DIGEST_MISMATCH"),
        (pb.BlobChunk(digest=blake3(b"2").digest(), data=b"2", last=True), "PUSH_ORDER"),
    ],
)
async def test_a_bad_content_is_refused_with_the_field(
    stub_of: StubOf, refusal_of: RefusalOf, chunk: pb.BlobChunk, reason: str
) -> None:
    """And the workspace stays as it was."""
    stub = await stub_of("ann")
    workspace = await _create(stub)
    messages = [
        pb.PushRequest(begin=pb.PushBegin(workspace=workspace)),
        pb.PushRequest(files=pb.PushFiles(files=[workspace_pb2.File(**_file("a"))])),
        pb.PushRequest(manifest_done=pb.PushManifestDone()),
        pb.PushRequest(chunk=chunk),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _finish(stub.Push(iter(messages)))
    assert refusal_of(caught.value) == ("INVALID_ARGUMENT", reason, ["chunk.digest"])
    got = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))
    assert got.workspace.snapshot == ""


async def test_messages_in_another_order_are_refused(
    stub_of: StubOf, refusal_of: RefusalOf
) -> None:
    """A message without a step too."""
    stub = await stub_of("ann")
    for message in (pb.PushRequest(), pb.PushRequest(manifest_done=pb.PushManifestDone())):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _finish(stub.Push(iter([message])))
        assert refusal_of(caught.value) == ("INVALID_ARGUMENT", "PUSH_ORDER", ["begin"])


async def test_a_client_who_hangs_up_holds_nothing(stub_of: StubOf, valkey_url: str) -> None:
    """The lease of its push is given back, and what had arrived is kept for the next try."""
    stub = await stub_of("ann")
    workspace = await _create(stub)

    async def requests() -> Any:
        yield pb.PushRequest(begin=pb.PushBegin(workspace=workspace))
        yield pb.PushRequest(files=pb.PushFiles(files=[workspace_pb2.File(**_file("a"))]))
        yield pb.PushRequest(manifest_done=pb.PushManifestDone())
        await asyncio.Event().wait()

    call = stub.Push(requests())
    while not (await call.read()).missing.done:
        pass
    async with open_store(valkey_url, decode_responses=True) as store:
        assert await store.zcard(f"workspace:pushing:{workspace}") == 1
        call.cancel()
        async with asyncio.timeout(10):
            while await store.zcard(f"workspace:pushing:{workspace}"):
                pass
    await _push(stub, workspace, {"a": b"1"})


async def test_a_manifest_of_long_paths_comes_in_messages_of_good_size(stub_of: StubOf) -> None:
    """The bound is on bytes too: paths may have 4,096."""
    stub = await stub_of("ann")
    workspace = await _create(stub)
    long = "/".join(["x" * 250] * 15)
    await _push(stub, workspace, {f"{n:04}/{long}": b"1" for n in range(400)}, contents=[b"1"])
    call = stub.GetManifest(pb.GetManifestRequest(workspace=workspace))
    messages = [message async for message in call]
    assert sum(len(message.files) for message in messages) == 400
    assert max(message.ByteSize() for message in messages) < 2**20
    assert len({message.snapshot for message in messages}) == 1


async def test_an_empty_snapshot_has_a_manifest(stub_of: StubOf) -> None:
    """One message that tells the snapshot, without files."""
    stub = await stub_of("ann")
    workspace = await _create(stub)
    await _push(stub, workspace, {})
    call = stub.GetManifest(pb.GetManifestRequest(workspace=workspace))
    (message,) = [message async for message in call]
    assert len(message.snapshot) == 64
