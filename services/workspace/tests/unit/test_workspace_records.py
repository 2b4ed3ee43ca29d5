"""The records of workspaces on a real Valkey."""

import asyncio
from typing import Any

import pytest

from toolmesh_serving.errors import Unavailable
from toolmesh_serving.redis_store import open_store
from toolmesh_workspace.access import Requester
from toolmesh_workspace.errors import WorkspaceUnknown
from toolmesh_workspace.records import Position, Records


@pytest.fixture
def records(redis_store: Any) -> Records:
    """Records without a workspace."""
    return Records(redis_store)


async def _commit(records: Records, workspace: str, snapshot: str) -> None:
    by = Requester("ann")
    await records.commit(workspace, by=by, snapshot=snapshot, file_count=1, size_bytes=2)


@pytest.mark.parametrize(
    ("display_name", "slug"),
    [
        ("Django", "django-"),
        ("  My repo!  v2 ", "my-repo-v2-"),
        ("日本語", "workspace-"),
        ("../../etc", "etc-"),
        ("x" * 120, "x" * 40 + "-"),
    ],
)
async def test_ids_begin_with_the_name(records: Records, display_name: str, slug: str) -> None:
    """Letters and digits only: the id is a part of paths in the store."""
    made = await records.create(display_name=display_name, owner="ann")
    assert made.id.startswith(slug)
    assert len(made.id) == len(slug) + 6
    assert (made.display_name, made.owner, made.snapshot) == (display_name, "ann", "")
    assert made.create_time == made.update_time > 1_600_000_000_000_000


async def test_someone_elses_workspace_looks_like_none(records: Records) -> None:
    """The two failures are the same to the letter, but for the id that was asked for."""
    made = await records.create(display_name="x", owner="ann")
    with pytest.raises(WorkspaceUnknown) as theirs:
        await records.get(made.id, by=Requester("bob"))
    with pytest.raises(WorkspaceUnknown) as unknown:
        await records.get("x-aaaaaa", by=Requester("bob"))
    same = str(unknown.value).replace("x-aaaaaa", made.id)
    assert str(theirs.value) == same
    assert theirs.value.metadata == {"workspace": made.id}


async def test_a_commit_moves_the_newest_snapshot(records: Records) -> None:
    """Counts and time are those of the commit."""
    made = await records.create(display_name="x", owner="ann")
    changed = await records.commit(
        made.id, by=Requester("ann"), snapshot="1" * 64, file_count=3, size_bytes=4
    )
    assert (changed.snapshot, changed.file_count, changed.size_bytes) == ("1" * 64, 3, 4)
    assert changed.update_time > made.update_time
    assert changed == await records.get(made.id, by=Requester("ann"))


async def test_a_commit_to_a_deleted_workspace_fails(records: Records) -> None:
    """A push that ends after the deletion does not bring the workspace back."""
    made = await records.create(display_name="x", owner="ann")
    await records.delete(made.id, by=Requester("ann"))
    with pytest.raises(WorkspaceUnknown):
        await records.commit(
            made.id, by=Requester("ann"), snapshot="1" * 64, file_count=1, size_bytes=1
        )
    with pytest.raises(WorkspaceUnknown):
        await records.delete(made.id, by=Requester("ann"))
    assert await records.list(of=Requester("ann"), after=None, count=10) == ([], None)
    assert await records.due_unswept() == []


async def test_the_ten_newest_snapshots_are_kept_for_sure(
    records: Records, redis_store: Any
) -> None:
    """Older ones are kept for an hour after they fell out, for tools that still read them."""
    made = await records.create(display_name="x", owner="ann")
    for number in range(15):
        await _commit(records, made.id, f"{number:064}")
    assert len(await records.trim_snapshots(made.id)) == 15
    # As if the first twelve commits were two hours ago: numbers 0 and 1 fell out then.
    for number in range(12):
        await redis_store.zincrby(
            f"workspace:snapshots:{made.id}", -7200 * 1_000_000, f"{number:064}"
        )
    kept = await records.trim_snapshots(made.id)
    assert kept == [f"{number:064}" for number in range(14, 1, -1)]
    assert await records.snapshots(made.id) == kept
    assert not await records.has_snapshot(made.id, f"{0:064}")


async def test_a_snapshot_that_comes_back_is_new_again(records: Records) -> None:
    """Pushing what was there before makes no second entry."""
    made = await records.create(display_name="x", owner="ann")
    for snapshot in ("a", "b", "a"):
        await _commit(records, made.id, snapshot)
    assert await records.snapshots(made.id) == ["a", "b"]


async def test_pages_list_all_once_and_last_pushed_first(records: Records) -> None:
    """Whatever the page size, and without the workspaces of others."""
    made = [await records.create(display_name=f"w{n}", owner="ann") for n in range(7)]
    await records.create(display_name="other", owner="bob")
    await _commit(records, made[2].id, "1" * 64)
    expected = [made[2].id, *(made[n].id for n in (6, 5, 4, 3, 1, 0))]
    for count in (1, 2, 3, 6, 7, 8):
        assert await _all_pages(records, count) == expected


async def test_pages_list_all_when_all_have_one_time(records: Records, redis_store: Any) -> None:
    """A tie in time neither loses nor repeats a workspace."""
    made = {(await records.create(display_name=f"w{n}", owner="ann")).id for n in range(7)}
    for name in made:
        await redis_store.zadd("workspace:of:ann", {name: 5})
    for count in (1, 3):
        listed = await _all_pages(records, count)
        assert (len(listed), set(listed)) == (7, made)


async def _all_pages(records: Records, count: int) -> list[str]:
    listed: list[str] = []
    after: Position | None = None
    while True:
        page, more = await records.list(of=Requester("ann"), after=after, count=count)
        assert len(page) <= count
        listed += [workspace.id for workspace in page]
        if more is None:
            return listed
        after = more


async def test_without_redis_the_service_is_unavailable(own_valkey: Any) -> None:
    """The caller hears that it may try again, and when Redis is back it works again."""
    async with open_store(f"unix://{own_valkey.unix_socket_path}", decode_responses=True) as store:
        records = Records(store)
        await records.create(display_name="x", owner="ann")
        own_valkey.stop()
        with pytest.raises(Unavailable) as caught:
            await records.list(of=Requester("ann"), after=None, count=1)
        assert caught.value.retry_after_seconds == 1
        own_valkey.start()
        await asyncio.wait_for(records.create(display_name="x", owner="ann"), 10)
