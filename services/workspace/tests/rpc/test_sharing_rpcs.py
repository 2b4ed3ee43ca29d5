"""Shared workspaces through a real server: for strangers, members, owners, delegates, admins."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from blake3 import blake3

from toolmesh.workspace.v1 import workspace_pb2
from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_workspaces.push import push_folder
from toolmesh_workspaces.snapshot import Snapshot

StubOf = Callable[..., Awaitable[Any]]
RefusalOf = Callable[[grpc.aio.AioRpcError], tuple[str, str, list[str]]]
FailureOf = Callable[[Awaitable[Any]], Awaitable[Any]]

READER = workspace_pb2.WORKSPACE_ACCESS_READER
WRITER = workspace_pb2.WORKSPACE_ACCESS_WRITER
OWNER = workspace_pb2.WORKSPACE_ACCESS_OWNER
NONE = workspace_pb2.WORKSPACE_ACCESS_UNSPECIFIED
TOO_LOW = ("PERMISSION_DENIED", "ACCESS_TOO_LOW", [])
UNKNOWN = ("NOT_FOUND", "WORKSPACE_UNKNOWN", [])
DELEGATED = ("PERMISSION_DENIED", "DELEGATED_TOKEN", [])


@pytest.fixture
async def workspace(stub_of: StubOf, tmp_path: Path) -> str:
    """A workspace of ann's with a file; bob may read it, and cid may push to it."""
    ann = await stub_of("ann")
    made = await ann.CreateWorkspace(pb.CreateWorkspaceRequest(display_name="x"))
    await push_folder(ann, workspace=made.workspace.id, root=_folder(tmp_path, "a"))
    await _share(ann, made.workspace.id, "bob", READER)
    await _share(ann, made.workspace.id, "cid", WRITER)
    return made.workspace.id


def _folder(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / f"folder-{text}"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(text)
    return folder


async def _share(stub: Any, workspace: str, subject: str, access: Any) -> Any:
    request = pb.ShareWorkspaceRequest(workspace=workspace, subject=subject, access=access)
    return (await stub.ShareWorkspace(request)).workspace


async def _unshare(stub: Any, workspace: str, subject: str) -> None:
    await stub.UnshareWorkspace(pb.UnshareWorkspaceRequest(workspace=workspace, subject=subject))


async def _transfer(stub: Any, workspace: str, subject: str) -> Any:
    request = pb.TransferWorkspaceRequest(workspace=workspace, subject=subject)
    return (await stub.TransferWorkspace(request)).workspace


async def _get(stub: Any, workspace: str) -> Any:
    return (await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))).workspace


async def _list(stub: Any, **fields: Any) -> Any:
    return (await stub.ListWorkspaces(pb.ListWorkspacesRequest(**fields))).workspaces


async def _refused(call: Awaitable[Any], refusal_of: RefusalOf) -> tuple[str, str, list[str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)


async def _begin(workspace: str) -> AsyncIterator[pb.PushRequest]:
    """Begin a push and wait, as a client does that wants to hear a refusal."""
    yield pb.PushRequest(begin=pb.PushBegin(workspace=workspace))
    await asyncio.Event().wait()


async def test_a_reader_reads_and_nothing_else(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """What it may not do it is told, by the code for that; it sees no other members."""
    bob = await stub_of("bob")
    seen = await _get(bob, workspace)
    assert (seen.owner, seen.access) == ("ann", READER)
    assert (list(seen.readers), list(seen.writers)) == ([], [])
    assert list(await _list(bob)) == [seen]
    snapshot = await Snapshot.open(bob, workspace=workspace)
    assert await snapshot.read("file") == b"a"
    delete = pb.DeleteWorkspaceRequest(workspace=workspace)
    refused = [
        bob.DeleteWorkspace(delete),
        _share(bob, workspace, "dan", READER),
        _share(bob, workspace, "bob", WRITER),
        _unshare(bob, workspace, "cid"),
        bob.Push(_begin(workspace)).read(),
        bob.UploadTar(iter([pb.UploadTarRequest(workspace=workspace)])),
    ]
    for call in refused:
        assert await _refused(call, refusal_of) == TOO_LOW


async def test_a_reader_hears_why_its_push_is_refused(
    stub_of: StubOf, failure_of: FailureOf, workspace: str, tmp_path: Path
) -> None:
    """The client library keeps the reason, and the message names who can help."""
    push = push_folder(
        await stub_of("bob"), workspace=workspace, root=_folder(tmp_path, "b"), patience_seconds=0
    )
    failure = await failure_of(push)
    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert failure.metadata == {"workspace": workspace, "access": "reader", "needed": "writer"}
    assert "its owner is ann" in failure.message


async def test_a_writer_pushes_but_does_not_govern(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str, tmp_path: Path
) -> None:
    """What it pushed is the owner's newest snapshot, too."""
    ann, cid = await stub_of("ann"), await stub_of("cid")
    pushed = await push_folder(cid, workspace=workspace, root=_folder(tmp_path, "c"))
    assert pushed.workspace.access == WRITER
    assert (await _get(ann, workspace)).snapshot == pushed.workspace.snapshot
    for call in (
        cid.DeleteWorkspace(pb.DeleteWorkspaceRequest(workspace=workspace)),
        _share(cid, workspace, "dan", READER),
        _unshare(cid, workspace, "bob"),
    ):
        assert await _refused(call, refusal_of) == TOO_LOW


async def test_the_owner_sees_who_has_access(stub_of: StubOf, workspace: str) -> None:
    """Sorted; in lists as well."""
    ann = await stub_of("ann")
    for subject in ("zoe", "abe"):
        shared = await _share(ann, workspace, subject, READER)
    assert (shared.access, list(shared.readers)) == (OWNER, ["abe", "bob", "zoe"])
    assert list(shared.writers) == ["cid"]
    assert list(await _list(ann)) == [await _get(ann, workspace)] == [shared]


async def test_unsharing_holds_at_once(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """To who had access there is no such workspace, to the letter."""
    ann, bob = await stub_of("ann"), await stub_of("bob")
    opened = await Snapshot.open(bob, workspace=workspace)
    await _unshare(ann, workspace, "bob")
    errors = []
    for name in (workspace, "nobody-has-this"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _get(bob, name)
        errors.append(caught.value)
    assert [refusal_of(error) for error in errors] == [UNKNOWN] * 2
    assert errors[0].details() == (errors[1].details() or "").replace("nobody-has-this", workspace)
    assert await _refused(opened.read("file"), refusal_of) == UNKNOWN
    assert await _refused(_share(bob, workspace, "bob", READER), refusal_of) == UNKNOWN
    assert not await _list(bob)
    await _unshare(ann, workspace, "bob")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"subject": "dan"}, "access"),
        ({"subject": "dan", "access": OWNER}, "access"),
        ({"subject": "dan", "access": 7}, "access"),
        ({"access": READER}, "subject"),
        ({"subject": "ann", "access": READER}, "subject"),
        ({"subject": "d an", "access": READER}, "subject"),
        ({"subject": "member:dan\n", "access": READER}, "subject"),
        ({"subject": "d" * 121, "access": READER}, "subject"),
    ],
)
async def test_what_cannot_be_shared_is_refused_with_the_field(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str, fields: Any, field: str
) -> None:
    """And the workspace stays as it was."""
    ann = await stub_of("ann")
    before = await _get(ann, workspace)
    call = ann.ShareWorkspace(pb.ShareWorkspaceRequest(workspace=workspace, **fields))
    assert await _refused(call, refusal_of) == ("INVALID_ARGUMENT", "FIELD_INVALID", [field])
    assert await _get(ann, workspace) == before


async def test_a_delegate_keeps_to_the_workspaces_of_its_token(
    stub_of: StubOf, delegate_of: StubOf, refusal_of: RefusalOf, workspace: str, tmp_path: Path
) -> None:
    """The others of its subject do not exist for it, and it can open nothing to anyone."""
    ann = await stub_of("ann")
    create = pb.CreateWorkspaceRequest(display_name="other")
    other = (await ann.CreateWorkspace(create)).workspace.id
    agent = await delegate_of("ann", workspaces=[workspace])
    assert [each.id for each in await _list(agent)] == [workspace]
    await push_folder(agent, workspace=workspace, root=_folder(tmp_path, "d"))
    assert (await _get(agent, workspace)).access == OWNER
    for call in (
        _get(agent, other),
        agent.DeleteWorkspace(pb.DeleteWorkspaceRequest(workspace=other)),
        agent.Push(_begin(other)).read(),
        agent.UploadTar(iter([pb.UploadTarRequest(workspace=other)])),
        agent.GetManifest(pb.GetManifestRequest(workspace=other)).read(),
        agent.ReadBlobs(
            pb.ReadBlobsRequest(workspace=other, digests=[blake3(b"a").digest()])
        ).read(),
    ):
        assert await _refused(call, refusal_of) == UNKNOWN
    for call in (
        agent.CreateWorkspace(create),
        _share(agent, workspace, "eve", READER),
        _unshare(agent, workspace, "bob"),
        _transfer(agent, workspace, "eve"),
    ):
        assert await _refused(call, refusal_of) == DELEGATED
    assert [each.id for each in await _list(ann)] == [workspace, other]


async def test_a_delegate_without_a_bound_sees_all_but_shares_nothing(
    delegate_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """An agent that was talked into it cannot give a workspace away."""
    agent = await delegate_of("ann")
    made = (await agent.CreateWorkspace(pb.CreateWorkspaceRequest(display_name="y"))).workspace
    assert [each.id for each in await _list(agent)] == [made.id, workspace]
    assert await _refused(_share(agent, workspace, "eve", READER), refusal_of) == DELEGATED
    listing = _list(agent, subject="bob")
    assert (await _refused(listing, refusal_of))[1] == "NOT_ADMIN"


async def test_a_claim_gives_no_access(
    delegate_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """It narrows what the subject may see; naming another's workspace opens nothing."""
    agent = await delegate_of("eve", workspaces=[workspace])
    assert await _refused(_get(agent, workspace), refusal_of) == UNKNOWN
    assert not await _list(agent)


async def test_an_administrator_hands_over_but_does_not_look_in(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """It finds a subject's workspaces; to read one it has to take it over, which is noted."""
    root = await stub_of("root", "admin")
    (found,) = await _list(root, subject="ann")
    assert (found.id, found.access) == (workspace, NONE)
    assert (list(found.readers), list(found.writers)) == ([], [])
    assert await _refused(_get(root, workspace), refusal_of) == UNKNOWN
    assert (await _transfer(root, workspace, "cid")).owner == "cid"
    taken = await _get(await stub_of("cid"), workspace)
    assert (taken.access, list(taken.readers), list(taken.writers)) == (OWNER, ["bob"], [])
    assert await _refused(_get(await stub_of("ann"), workspace), refusal_of) == UNKNOWN
    assert await _refused(_transfer(root, "unknown", "cid"), refusal_of) == UNKNOWN


async def test_others_do_not_administer(
    stub_of: StubOf, refusal_of: RefusalOf, workspace: str
) -> None:
    """Not even the owner gives a workspace away, and lists are one's own."""
    ann = await stub_of("ann")
    refusal = await _refused(_transfer(ann, workspace, "bob"), refusal_of)
    assert refusal[:2] == ("PERMISSION_DENIED", "SCOPE_MISSING")
    refusal = await _refused(_list(ann, subject="bob"), refusal_of)
    assert refusal[:2] == ("PERMISSION_DENIED", "NOT_ADMIN")


async def test_too_many_pushes_are_turned_away_with_a_time_to_wait(
    stub_of: StubOf, failure_of: FailureOf, workspace: str
) -> None:
    """Three fit: two of ann's, and one of cid's; whoever hangs up makes room."""
    ann, cid = await stub_of("ann"), await stub_of("cid")
    calls = [stub.Push(_begin(workspace)) for stub in (ann, ann, cid)]
    for call in calls:
        assert (await call.read()).WhichOneof("step") == "accepted"
    for stub, told in ((ann, "for one subject"), (cid, "no further pushes")):
        failure = await failure_of(stub.Push(_begin(workspace)).read())
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_PUSHES",
        )  # fmt: skip
        assert failure.retry_seconds == 2
        assert told in failure.message
    calls[0].cancel()
    async with asyncio.timeout(10):
        while (await _try(ann, workspace)) is None:
            pass
    for call in calls:
        call.cancel()


async def _try(stub: Any, workspace: str) -> Any:
    call = stub.Push(_begin(workspace))
    try:
        return (await call.read()).WhichOneof("step")
    except grpc.aio.AioRpcError:
        return None
    finally:
        call.cancel()


async def test_the_client_waits_for_room(
    call_log: list[Any], stub_of: StubOf, failure_of: FailureOf, workspace: str, tmp_path: Path
) -> None:
    """As long as its patience lasts."""
    ann, cid = await stub_of("ann"), await stub_of("cid")
    calls = [stub.Push(_begin(workspace)) for stub in (ann, ann, cid)]
    for call in calls:
        await call.read()
    root = _folder(tmp_path, "e")
    push = push_folder(cid, workspace=workspace, root=root, patience_seconds=1)
    assert (await failure_of(push)).reason == "TOO_MANY_PUSHES"
    waiting = asyncio.create_task(push_folder(cid, workspace=workspace, root=root))
    async with asyncio.timeout(10):
        while [line["code"] for line in call_log].count("RESOURCE_EXHAUSTED") < 2:
            await _get(ann, workspace)
    for call in calls:
        call.cancel()
    pushed = await asyncio.wait_for(waiting, 30)
    assert (await _get(ann, workspace)).snapshot == pushed.workspace.snapshot
