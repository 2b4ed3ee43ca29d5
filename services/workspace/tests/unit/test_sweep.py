"""What nobody needs is deleted, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from toolmesh_workspace.access import Requester
from toolmesh_workspace.blob_store import StoredObject
from toolmesh_workspace.records import GRACE_MICROS
from toolmesh_workspace.redis_time import MICROS
from toolmesh_workspaces.manifest import FileEntry, Manifest


@pytest.fixture
async def workspace(parts: Any) -> str:
    """The id of an empty workspace of ann's."""
    return (await parts.workspaces.create("x", by=Requester("ann"))).id


async def _commit(parts: Any, workspace: str, data: bytes) -> str:
    digest = blake3(data).digest()
    manifest = Manifest((FileEntry("a", digest, len(data)),))
    async with parts.leases.pushing(workspace):
        await parts.blobs.put(workspace, digest, [data])
        return (await parts.snapshots.commit(workspace, manifest, by=Requester("ann"))).snapshot


async def _names(parts: Any, workspace: str) -> set[str]:
    return {each.name async for page in parts.blobs.list_objects(workspace) for each in page}


async def _age(parts: Any, key: str) -> None:
    """Make all times of a sorted set lie one grace time further back."""
    for member in await parts.store.zrange(key, 0, -1):
        await parts.store.zincrby(key, -GRACE_MICROS - 1, member)


async def test_contents_of_snapshots_that_are_no_longer_kept_are_deleted(
    parts: Any, workspace: str
) -> None:
    """Those of kept snapshots stay, with their manifests."""
    snapshots = [await _commit(parts, workspace, f"{n}".encode()) for n in range(12)]
    await _age(parts, f"workspace:snapshots:{workspace}")
    assert await parts.sweeper.sweep_workspace(workspace) == 4
    contents = {blake3(f"{n}".encode()).hexdigest() for n in range(2, 12)}
    assert await _names(parts, workspace) == contents | set(snapshots[2:])


@pytest.mark.parametrize("kept", [0, 2])
async def test_contents_of_a_push_that_broke_off_are_deleted(
    parts: Any, workspace: str, kept: int
) -> None:
    """They are kept for the next try until a sweep is due, whether or not a push came so far."""
    if kept:
        await _commit(parts, workspace, b"1")
        await _age(parts, "workspace:unswept")
        await parts.sweeper.sweep()
    async with parts.leases.pushing(workspace):
        await parts.blobs.put(workspace, blake3(b"orphan").digest(), [b"orphan"])
    await parts.sweeper.sweep()
    assert len(await _names(parts, workspace)) == kept + 1
    await _age(parts, "workspace:unswept")
    await parts.sweeper.sweep()
    assert len(await _names(parts, workspace)) == kept
    assert await parts.records.due_unswept() == []


async def test_what_was_begun_and_never_finished_is_swept(
    parts: Any, workspace: str, blob_folder: Path
) -> None:
    """A process that is killed leaves half a content, which no list tells of."""
    await _commit(parts, workspace, b"1")
    unfinished = blob_folder / workspace / "manifests" / "half#1"
    unfinished.write_bytes(b"half")
    await parts.sweeper.sweep_workspace(workspace)
    assert not unfinished.exists()
    assert len(await _names(parts, workspace)) == 2


async def test_snapshots_that_are_kept_for_a_while_are_deleted_after_it(
    parts: Any, workspace: str
) -> None:
    """No further push is needed for that: the workspace is swept until only the newest are left."""
    for number in range(12):
        await _commit(parts, workspace, f"{number}".encode())
    for left in (24, 20):
        await _age(parts, "workspace:unswept")
        await parts.sweeper.sweep()
        assert len(await _names(parts, workspace)) == left
        await _age(parts, f"workspace:snapshots:{workspace}")
    await _age(parts, "workspace:unswept")
    assert await parts.records.due_unswept() == []


async def test_the_newest_snapshot_is_kept_though_the_clock_was_set_back(
    parts: Any, workspace: str
) -> None:
    """What Redis's clock says of when it came does not make it an old one."""
    for number in range(10):
        await _commit(parts, workspace, f"{number}".encode())
    # As if the clock had been set back by a minute.
    ahead = 60 * MICROS
    for snapshot in await parts.records.snapshots(workspace):
        await parts.store.zincrby(f"workspace:snapshots:{workspace}", ahead, snapshot)
    await parts.store.hincrby(f"workspace:record:{workspace}", "update_time", ahead)
    newest = await _commit(parts, workspace, b"newest")
    assert (await parts.records.snapshots(workspace))[0] == newest
    await _age(parts, f"workspace:snapshots:{workspace}")
    await _age(parts, f"workspace:snapshots:{workspace}")
    await parts.sweeper.sweep_workspace(workspace)
    assert newest in await _names(parts, workspace)


async def test_a_workspace_that_cannot_be_swept_holds_up_no_other(
    parts: Any, workspace: str, make_parts: Any
) -> None:
    """There may be many of them, too."""
    fresh = make_parts()
    for number in range(101):
        broken = (await parts.workspaces.create(f"{number}", by=Requester("ann"))).id
        snapshot = await _commit(parts, broken, b"1")
        path = f"{broken}/manifests/{snapshot}"
        await parts.blobs.delete_objects([StoredObject(path, snapshot)])
    await _age(parts, "workspace:unswept")
    async with parts.leases.pushing(workspace):
        await parts.blobs.put(workspace, blake3(b"orphan").digest(), [b"orphan"])
    await parts.store.zincrby("workspace:unswept", -GRACE_MICROS - 1, workspace)
    await fresh.sweeper.sweep()
    assert await _names(parts, workspace) == set()


async def test_nothing_is_swept_while_a_push_runs(parts: Any, workspace: str) -> None:
    """The push was told what is there. Afterwards it is swept."""
    await parts.blobs.put(workspace, blake3(b"1").digest(), [b"1"])
    async with parts.leases.pushing(workspace), parts.leases.pushing(workspace):
        assert await parts.sweeper.sweep_workspace(workspace) is None
    assert await parts.sweeper.sweep_workspace(workspace) == 1


async def test_the_lease_of_a_push_that_died_ends_by_itself(parts: Any, workspace: str) -> None:
    """A replica that was killed gives nothing back."""
    async with parts.leases.pushing(workspace):
        await _age(parts, f"workspace:pushing:{workspace}")
        async with parts.leases.sweeping(workspace) as alone:
            assert alone


async def test_two_sweepers_do_not_meet(parts: Any, workspace: str) -> None:
    """The second one finds nothing to do, and takes nothing from the first."""
    async with parts.leases.sweeping(workspace) as first:
        async with parts.leases.sweeping(workspace) as second:
            assert (first, second) == (True, False)
        async with parts.leases.sweeping(workspace) as third:
            assert not third


async def test_a_manifest_that_is_gone_stops_the_sweep(
    parts: Any, workspace: str, make_parts: Any
) -> None:
    """What it named cannot be known, so nothing is deleted."""
    snapshot = await _commit(parts, workspace, b"1")
    (manifest,) = [
        each
        async for page in parts.blobs.list_objects(workspace)
        for each in page
        if each.name == snapshot
    ]
    await parts.blobs.delete_objects([manifest])
    fresh = make_parts()
    with pytest.raises(LookupError):
        await fresh.sweeper.sweep_workspace(workspace)
    assert len(await _names(parts, workspace)) == 1


async def test_what_is_left_of_deleted_workspaces_is_deleted(parts: Any, workspace: str) -> None:
    """A push that ran during the deletion may have written after it."""
    await _commit(parts, workspace, b"1")
    await parts.workspaces.delete(workspace, by=Requester("ann"))
    assert await _names(parts, workspace) == set()
    await parts.blobs.put(workspace, blake3(b"late").digest(), [b"late"])
    await parts.sweeper.sweep()
    assert len(await _names(parts, workspace)) == 1
    await _age(parts, "workspace:deleted")
    await parts.sweeper.sweep()
    assert await _names(parts, workspace) == set()
    assert await parts.records.due_deleted() == []


async def test_the_sweeper_outlives_a_failure(own_valkey: Any, parts: Any) -> None:
    """It logs and goes on, and ends when it is cancelled."""
    sweeping = asyncio.create_task(parts.sweeper.run())
    await asyncio.sleep(0)
    assert not sweeping.done()
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping
