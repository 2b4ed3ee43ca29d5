"""Who may use a workspace, on a real Valkey: shared, unshared, handed over, also in races."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from blake3 import blake3

from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM
from toolmesh_serving.errors import FieldInvalid, ToolmeshError
from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.errors import (
    AccessTooLow,
    DelegatedToken,
    NotAdmin,
    TooManyMembers,
    WorkspaceUnknown,
)
from toolmesh_workspace.push import Begin, Chunk, Files, ManifestDone, Step
from toolmesh_workspaces.manifest import FileEntry

ANN, BOB, CID = Requester("ann"), Requester("bob"), Requester("cid")


@pytest.fixture
async def workspace(parts: Any) -> str:
    """The id of an empty workspace of ann's."""
    return (await parts.workspaces.create("x", by=ANN)).id


async def _listed(parts: Any, by: Requester, **fields: Any) -> list[str]:
    page, _ = await parts.workspaces.list(by=by, page_size=100, page_token="", **fields)
    return [record.id for record in page]


async def _events(parts: Any) -> list[tuple[str, str, Any, Any]]:
    """The admin events so far: action, target, before, after."""
    found = await parts.store.xrange(ADMIN_EVENTS_STREAM)
    return [
        (
            event["action"].removeprefix("workspace.workspace."),
            event["target"],
            json.loads(event["before"] or "null"),
            json.loads(event["after"] or "null"),
        )
        for _, event in found
    ]


async def test_a_shared_workspace_is_seen_and_listed(parts: Any, workspace: str) -> None:
    """Until it is unshared."""
    assert await _listed(parts, BOB) == []
    shared = await parts.sharing.share(workspace, "bob", access=Access.READER, by=ANN)
    assert shared.members == {"bob": Access.READER}
    assert await parts.workspaces.get(workspace, by=BOB) == shared
    assert await _listed(parts, BOB) == await _listed(parts, ANN) == [workspace]
    await parts.sharing.unshare(workspace, "bob", by=ANN)
    with pytest.raises(WorkspaceUnknown):
        await parts.workspaces.get(workspace, by=BOB)
    assert await _listed(parts, BOB) == []


async def test_own_and_shared_workspaces_are_in_one_order(parts: Any) -> None:
    """Last pushed first, whoever pushed."""
    made = [(await parts.workspaces.create(f"w{n}", by=who)).id for n, who in enumerate([ANN, BOB])]
    await parts.sharing.share(made[0], "bob", access=Access.WRITER, by=ANN)
    assert await _listed(parts, BOB) == [made[1], made[0]]
    await _push(parts, made[0], BOB)
    assert await _listed(parts, BOB) == made
    assert await _listed(parts, ANN) == [made[0]]


async def test_sharing_again_changes_the_access(parts: Any, workspace: str) -> None:
    """Up and down; a change that changes nothing is not noted."""
    for access in (Access.READER, Access.WRITER, Access.WRITER, Access.READER):
        shared = await parts.sharing.share(workspace, "bob", access=access, by=ANN)
        assert shared.members == {"bob": access}
    assert len(await _events(parts)) == 3


async def test_changes_are_noted_for_the_audit_log(parts: Any, workspace: str) -> None:
    """With what was there before; what was refused or changed nothing is not."""
    await parts.sharing.share(workspace, "bob", access=Access.READER, by=ANN)
    await parts.sharing.share(workspace, "bob", access=Access.WRITER, by=ANN)
    for by in (BOB, CID):
        with pytest.raises(ToolmeshError):
            await parts.sharing.share(workspace, "cid", access=Access.READER, by=by)
    await parts.sharing.unshare(workspace, "bob", by=ANN)
    await parts.sharing.unshare(workspace, "bob", by=ANN)
    await parts.sharing.transfer(workspace, "cid", by=Requester("root"))
    await parts.workspaces.delete(workspace, by=CID)
    reader, writer = (
        {"subject": "bob", "access": "reader"},
        {"subject": "bob", "access": "writer"},
    )
    assert await _events(parts) == [
        ("share", workspace, None, reader),
        ("share", workspace, reader, writer),
        ("unshare", workspace, writer, None),
        ("transfer", workspace, {"owner": "ann"}, {"owner": "cid"}),
        ("delete", workspace, {"owner": "cid", "display_name": "x"}, None),
    ]


@pytest.mark.parametrize("access", [Access.READER, Access.WRITER])
async def test_only_the_owner_changes_access(parts: Any, workspace: str, access: Access) -> None:
    """Members hear so; to strangers there is no workspace."""
    await parts.sharing.share(workspace, "bob", access=access, by=ANN)
    await parts.sharing.share(workspace, "dan", access=access, by=ANN)
    for by, kind in ((BOB, AccessTooLow), (CID, WorkspaceUnknown)):
        with pytest.raises(kind):
            await parts.sharing.share(workspace, "eve", access=Access.READER, by=by)
        with pytest.raises(kind):
            await parts.sharing.share(workspace, "bob", access=Access.WRITER, by=by)
        with pytest.raises(kind):
            await parts.sharing.unshare(workspace, "dan", by=by)
        with pytest.raises(kind):
            await parts.workspaces.delete(workspace, by=by)
    members = (await parts.workspaces.get(workspace, by=ANN)).members
    assert members == {"bob": access, "dan": access}


async def test_a_member_can_leave(parts: Any, workspace: str) -> None:
    """Nobody has to keep what another put on the list; a stranger has nothing to leave."""
    await parts.sharing.share(workspace, "bob", access=Access.READER, by=ANN)
    await parts.sharing.unshare(workspace, "bob", by=BOB)
    assert await _listed(parts, BOB) == []
    with pytest.raises(WorkspaceUnknown):
        await parts.sharing.unshare(workspace, "bob", by=BOB)


async def test_the_owner_is_no_member(parts: Any, workspace: str) -> None:
    """Neither shared with nor unshared, so a workspace always has an owner."""
    with pytest.raises(FieldInvalid) as caught:
        await parts.sharing.share(workspace, "ann", access=Access.READER, by=ANN)
    assert caught.value.field_violations[0].field == "subject"
    with pytest.raises(FieldInvalid) as caught:
        await parts.sharing.unshare(workspace, "ann", by=ANN)
    assert caught.value.field_violations[0].field == "subject"
    assert await _listed(parts, ANN) == [workspace]


@pytest.mark.parametrize("access", [Access.NONE, Access.OWNER])
async def test_nothing_else_can_be_shared(parts: Any, workspace: str, access: Access) -> None:
    """An owner is made by an administrator alone."""
    with pytest.raises(FieldInvalid) as caught:
        await parts.sharing.share(workspace, "bob", access=access, by=ANN)
    assert caught.value.field_violations[0].field == "access"


async def test_no_member_is_lost_in_a_race(
    parts: Any, make_parts: Callable[..., Any], workspace: str
) -> None:
    """Of three replicas. A hundred fit, whoever comes first; the others are in no list."""
    subjects = [f"s{n}" for n in range(120)]
    replicas = [parts, make_parts(), make_parts()]
    outcomes = await asyncio.gather(
        *(
            replicas[n % 3].sharing.share(workspace, subject, access=Access.READER, by=ANN)
            for n, subject in enumerate(subjects)
        ),
        return_exceptions=True,
    )
    shared = {s for s, o in zip(subjects, outcomes, strict=True) if not isinstance(o, Exception)}
    assert {type(o) for o in outcomes if isinstance(o, Exception)} == {TooManyMembers}
    assert set((await parts.workspaces.get(workspace, by=ANN)).members) == shared
    assert len(shared) == 100 == len(await _events(parts))
    listing = [s for s in subjects if await _listed(parts, Requester(s)) == [workspace]]
    assert set(listing) == shared
    one = next(iter(shared))
    await parts.sharing.share(workspace, one, access=Access.WRITER, by=ANN)
    await parts.sharing.unshare(workspace, one, by=ANN)
    await parts.sharing.share(workspace, "new", access=Access.READER, by=ANN)


async def test_a_change_that_was_overtaken_is_worked_out_anew(
    parts: Any, make_parts: Callable[..., Any], workspace: str
) -> None:
    """From the record as the other replica left it, so that a bound holds and nothing is lost."""
    other, seen = make_parts(), []

    async def work(pipe: Any, record: Any) -> None:
        seen.append(dict(record.members))
        if len(seen) == 1:
            await other.sharing.share(workspace, "bob", access=Access.READER, by=ANN)
        pipe.multi()
        pipe.hset(f"workspace:record:{workspace}", "display_name", f"{len(record.members)}")

    await parts.records.change(workspace, work)
    assert seen == [{}, {"bob": Access.READER}]
    assert (await parts.workspaces.get(workspace, by=ANN)).display_name == "1"


async def test_record_and_lists_agree_after_a_race(
    parts: Any, make_parts: Callable[..., Any], workspace: str
) -> None:
    """Sharing, unsharing and pushing at once through three replicas."""
    changes, replicas = [], [parts, make_parts(), make_parts()]
    for n in range(40):
        subject, replica = f"s{n % 4}", replicas[n % 3]
        changes += [
            replica.sharing.share(workspace, subject, access=Access.WRITER, by=ANN),
            replica.sharing.unshare(workspace, subject, by=ANN),
            replica.records.commit(workspace, by=ANN, snapshot=f"{n}", file_count=1, size_bytes=1),
        ]
    await asyncio.gather(*changes)
    await parts.sharing.share(workspace, "s0", access=Access.READER, by=ANN)
    record = await parts.workspaces.get(workspace, by=ANN)
    for subject in ("ann", "s0", "s1", "s2", "s3"):
        score = await parts.store.zscore(f"workspace:of:{subject}", workspace)
        assert score == (record.update_time if subject in record.subjects else None), subject
    actions = [action for action, *_ in await _events(parts)]
    assert actions.count("share") - actions.count("unshare") == len(record.members)


async def test_a_deleted_workspace_is_in_no_list(parts: Any, workspace: str) -> None:
    """Nor does its record come back by a change of access."""
    await parts.sharing.share(workspace, "bob", access=Access.WRITER, by=ANN)
    await parts.workspaces.delete(workspace, by=ANN)
    assert await _listed(parts, BOB) == await _listed(parts, ANN) == []
    for change in (
        parts.sharing.share(workspace, "bob", access=Access.READER, by=ANN),
        parts.sharing.unshare(workspace, "bob", by=ANN),
        parts.sharing.transfer(workspace, "bob", by=ANN),
    ):
        with pytest.raises(WorkspaceUnknown):
            await change
    for kind in ("record", "of", "snapshots"):
        assert await parts.store.keys(f"workspace:{kind}:*") == []


async def test_a_list_shows_only_what_the_record_allows(parts: Any, workspace: str) -> None:
    """Should an entry of a list be left over, the record has the last word."""
    await parts.store.zadd("workspace:of:cid", {workspace: 5})
    assert await _listed(parts, CID) == []


async def test_an_administrator_hands_a_workspace_over(parts: Any, workspace: str) -> None:
    """The owner before has no access left; those it is shared with keep theirs."""
    root = Requester("root", is_admin=True)
    for subject in ("bob", "cid"):
        await parts.sharing.share(workspace, subject, access=Access.READER, by=ANN)
    assert await _listed(parts, root, subject="ann") == [workspace]
    for _ in range(2):
        given = await parts.sharing.transfer(workspace, "bob", by=root)
        assert (given.owner, given.members) == ("bob", {"cid": Access.READER})
        assert await parts.workspaces.get(workspace, by=BOB) == given
    assert await _listed(parts, ANN) == await _listed(parts, root) == []
    assert await _listed(parts, BOB) == await _listed(parts, CID) == [workspace]
    with pytest.raises(WorkspaceUnknown):
        await parts.workspaces.get(workspace, by=ANN)
    with pytest.raises(WorkspaceUnknown):
        await parts.workspaces.get(workspace, by=root)


async def test_the_lists_of_others_are_for_administrators(parts: Any, workspace: str) -> None:
    """Not for their delegates either; one's own has a name, too."""
    for by in (BOB, Requester("root", is_admin=True, is_delegated=True)):
        with pytest.raises(NotAdmin):
            await _listed(parts, by, subject="ann")
    assert await _listed(parts, ANN, subject="ann") == [workspace]


async def test_a_delegate_sees_the_workspaces_of_its_token_alone(parts: Any) -> None:
    """Of those, the ones that its subject may see; pages and order are as ever."""
    made = [(await parts.workspaces.create(f"w{n}", by=ANN)).id for n in range(6)]
    foreign = (await parts.workspaces.create("foreign", by=BOB)).id
    some = frozenset({made[1], made[3], made[4], foreign, "unknown"})
    delegate = Requester("ann", workspaces=some, is_delegated=True)
    for size in (1, 2, 3, 10):
        listed, token = [], ""
        while True:
            page, token = await parts.workspaces.list(by=delegate, page_size=size, page_token=token)
            listed += [record.id for record in page]
            if not token:
                break
        assert listed == [made[4], made[3], made[1]]
    assert (await parts.workspaces.get(made[1], by=delegate)).access_of(delegate) is Access.OWNER
    for hidden in (made[0], foreign, "unknown"):
        with pytest.raises(WorkspaceUnknown):
            await parts.workspaces.get(hidden, by=delegate)
        with pytest.raises(WorkspaceUnknown):
            await parts.workspaces.delete(hidden, by=delegate)
    assert await _listed(parts, Requester("ann", workspaces=frozenset())) == []


async def test_a_delegate_makes_and_shares_nothing(parts: Any, workspace: str) -> None:
    """What it did would outlive it, or be outside of its bounds."""
    bound = Requester("ann", workspaces=frozenset({workspace}), is_delegated=True)
    with pytest.raises(DelegatedToken):
        await parts.workspaces.create("x", by=bound)
    for by in (bound, Requester("ann", is_delegated=True)):
        for change in (
            parts.sharing.share(workspace, "bob", access=Access.READER, by=by),
            parts.sharing.unshare(workspace, "bob", by=by),
            parts.sharing.transfer(workspace, "bob", by=by),
        ):
            with pytest.raises(DelegatedToken):
                await change
    assert await _events(parts) == []


async def _nothing() -> None:
    pass


async def _push(
    parts: Any,
    workspace: str,
    by: Requester,
    *,
    data: bytes = b"content",
    meanwhile: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Push one new file; `meanwhile` is awaited before its content is sent."""
    digest = blake3(data).digest()

    async def steps() -> AsyncIterator[Step]:
        yield Begin(workspace)
        yield Files([FileEntry("a", digest, len(data))])
        yield ManifestDone()
        await meanwhile()
        yield Chunk(digest, data, last=True)

    [event async for event in parts.pushes.push(steps(), by=by)]


@pytest.mark.parametrize(("left", "kind"), [(None, WorkspaceUnknown), ("reader", AccessTooLow)])
async def test_a_push_of_one_who_lost_access_meanwhile_changes_nothing(
    parts: Any, workspace: str, left: str | None, kind: type[ToolmeshError]
) -> None:
    """And above all deletes nothing of what is there."""
    await _push(parts, workspace, ANN)
    before = await parts.workspaces.get(workspace, by=ANN)
    await parts.sharing.share(workspace, "bob", access=Access.WRITER, by=ANN)

    async def lose() -> None:
        if left:
            await parts.sharing.share(workspace, "bob", access=Access.READER, by=ANN)
        else:
            await parts.sharing.unshare(workspace, "bob", by=ANN)

    with pytest.raises(kind):
        await _push(parts, workspace, BOB, data=b"other", meanwhile=lose)
    after = await parts.workspaces.get(workspace, by=ANN)
    assert (after.snapshot, after.update_time) == (before.snapshot, before.update_time)
    manifest = await parts.workspaces.manifest(workspace, "", by=ANN)
    read = parts.workspaces.read_blobs(workspace, list(manifest.contents), by=ANN)
    assert [piece.data async for pieces in read for piece in pieces] == [b"content"]


async def test_a_page_costs_the_same_however_long_the_list_is(parts: Any) -> None:
    """Ten workspaces or ten thousand shared ones."""
    made = await parts.workspaces.create("x", by=BOB)
    fields = await parts.store.hgetall(f"workspace:record:{made.id}")
    for subject, count in (("few", 10), ("many", 10_000)):
        async with parts.store.pipeline(transaction=False) as writes:
            for n in range(count):
                record = {**fields, "id": f"{subject}-{n}", f"member:{subject}": "READER"}
                writes.hset(f"workspace:record:{subject}-{n}", mapping=record)
                writes.zadd(f"workspace:of:{subject}", {f"{subject}-{n}": made.update_time + n})
            await writes.execute()
    _, token = await parts.workspaces.list(by=Requester("many"), page_size=5000, page_token="")
    seconds = {"few": 9.0, "many": 9.0, "middle": 9.0}
    for _ in range(50):
        for name, subject, after in (
            ("few", "few", ""), ("many", "many", ""), ("middle", "many", token),
        ):  # fmt: skip
            started = time.perf_counter()
            page, _ = await parts.workspaces.list(
                by=Requester(subject), page_size=10, page_token=after
            )
            seconds[name] = min(seconds[name], time.perf_counter() - started)
            assert len(page) == 10
    ratios = {name: round(seconds[name] / seconds["few"], 2) for name in ("many", "middle")}
    print(f"a page of ten out of 10,000 costs, next to one of ten: {ratios}")
    assert max(ratios.values()) < 2
