"""A push, step by step, on real stores."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from blake3 import blake3

from toolmesh_serving.errors import ToolmeshError, Unavailable
from toolmesh_workspace.access import Requester
from toolmesh_workspace.errors import (
    DigestMismatch,
    FileTypeInvalid,
    PathInvalid,
    PushOrder,
    TooLarge,
    WorkspaceUnknown,
)
from toolmesh_workspace.push import (
    Begin,
    Chunk,
    Committed,
    Event,
    Files,
    ManifestDone,
    Missing,
    Step,
)
from toolmesh_workspaces.manifest import FileEntry


def _digest(data: bytes) -> bytes:
    return blake3(data).digest()


def _entry(path: str, data: bytes) -> FileEntry:
    return FileEntry(path, _digest(data), len(data))


def _chunk(data: bytes) -> Chunk:
    return Chunk(_digest(data), data, last=True)


async def _steps(steps: Sequence[Step]) -> AsyncIterator[Step]:
    for step in steps:
        yield step


async def _run(parts: Any, *steps: Step, subject: str = "ann") -> list[Event]:
    return [event async for event in parts.pushes.push(_steps(steps), by=Requester(subject))]


async def _push(parts: Any, workspace: str, files: dict[str, bytes]) -> Committed:
    """Push as a client does: send what is asked for."""
    asked: asyncio.Queue[Missing] = asyncio.Queue()
    contents = {_digest(data): data for data in files.values()}

    async def steps() -> AsyncIterator[Step]:
        yield Begin(workspace)
        yield Files([_entry(path, files[path]) for path in sorted(files)])
        yield ManifestDone()
        while True:
            missing = await asked.get()
            for digest in missing.digests:
                yield _chunk(contents[digest])
            if missing.done:
                return

    async for event in parts.pushes.push(steps(), by=Requester("ann")):
        if isinstance(event, Missing):
            asked.put_nowait(event)
        elif isinstance(event, Committed):
            return event
    raise AssertionError("no commit")


@pytest.fixture
async def workspace(parts: Any) -> str:
    """The id of an empty workspace of ann's."""
    return (await parts.workspaces.create("x", by=Requester("ann"))).id


async def test_a_second_push_asks_for_what_is_new_alone(parts: Any, workspace: str) -> None:
    """Contents are known whatever their path is."""
    first = await _push(parts, workspace, {"a": b"1", "b": b"2", "c": b"1"})
    assert (first.blob_count, first.size_bytes) == (2, 2)
    second = await _push(parts, workspace, {"d": b"1", "b": b"33"})
    assert (second.blob_count, second.size_bytes) == (1, 2)
    third = await _push(parts, workspace, {"a": b"1", "b": b"2", "c": b"1"})
    assert third.blob_count == 0
    assert third.workspace.snapshot == first.workspace.snapshot


async def test_a_push_without_files_is_an_empty_snapshot(parts: Any, workspace: str) -> None:
    """An empty folder can be pushed."""
    committed = await _push(parts, workspace, {})
    assert committed.workspace.file_count == 0
    assert (await parts.workspaces.manifest(workspace, "", by=Requester("ann"))).files == ()


async def test_a_push_that_broke_off_goes_on_where_it_was(parts: Any, workspace: str) -> None:
    """What arrived is kept, and nothing of the workspace has changed."""
    before = await parts.workspaces.get(workspace, by=Requester("ann"))
    with pytest.raises(PushOrder, match="1 contents have not come"):
        await _run(
            parts,
            Begin(workspace),
            Files([_entry("a", b"1"), _entry("b", b"2")]),
            ManifestDone(),
            _chunk(b"1"),
        )
    assert await parts.workspaces.get(workspace, by=Requester("ann")) == before
    assert (await _push(parts, workspace, {"a": b"1", "b": b"2"})).blob_count == 1


async def test_missing_contents_are_told_in_batches(parts: Any, workspace: str) -> None:
    """A thousand at a time, and all of them once."""
    files = [_entry(f"{n:05}", str(n).encode()) for n in range(2500)]
    events: list[Event] = []
    pushing = parts.pushes.push(
        _steps([Begin(workspace), Files(files), ManifestDone()]), by=Requester("ann")
    )
    with pytest.raises(PushOrder):
        events.extend([event async for event in _kept(pushing, events)])
    missing = [event for event in events if isinstance(event, Missing)]
    assert [len(event.digests) for event in missing] == [1000, 1000, 500, 0]
    assert [event.done for event in missing] == [False, False, False, True]
    assert {digest for event in missing for digest in event.digests} == {f.digest for f in files}


async def _kept(events: AsyncIterator[Event], kept: list[Event]) -> AsyncIterator[Event]:
    async for event in events:
        kept.append(event)
        yield event


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "begin"),
        ([None], "begin"),
        ([Files([])], "begin"),
        (["begin", Begin("again")], "manifest_done"),
        (["begin", _chunk(b"1")], "manifest_done"),
        (["begin", None], "manifest_done"),
        (["begin", Files([_entry("a", b"1")])], "manifest_done"),
        (["begin", Files([_entry("a", b"1")]), ManifestDone(), ManifestDone()], "chunk"),
        (["begin", Files([_entry("a", b"1")]), ManifestDone(), Files([])], "chunk"),
        (["begin", Files([_entry("a", b"1")]), ManifestDone()], "chunk"),
        (["begin", Files([_entry("a", b"1")]), ManifestDone(), _chunk(b"2")], "chunk.digest"),
    ],
)
async def test_steps_in_another_order_are_refused(
    parts: Any, workspace: str, steps: list[Any], field: str
) -> None:
    """The field is the step that was expected."""
    steps = [Begin(workspace) if step == "begin" else step for step in steps]
    with pytest.raises(PushOrder) as caught:
        await _run(parts, *steps)
    assert [violation.field for violation in caught.value.field_violations] == [field]


@pytest.mark.parametrize(
    ("entry", "kind", "field"),
    [
        (_entry("../b", b"1"), PathInvalid, "files[1].path"),
        (_entry("/b", b"1"), PathInvalid, "files[1].path"),
        (FileEntry("b", symlink_target="../.."), FileTypeInvalid, "files[1].symlink_target"),
        (FileEntry("b", _digest(b"1"), 2**40), TooLarge, "files[1].size_bytes"),
        (FileEntry("b", b"short", 1), DigestMismatch, "files[1].digest"),
    ],
)
async def test_bad_entries_are_refused(
    parts: Any, workspace: str, entry: FileEntry, kind: type[ToolmeshError], field: str
) -> None:
    """Each with the code of its kind and the entry's index over the whole push."""
    with pytest.raises(kind) as caught:
        await _run(
            parts, Begin(workspace), Files([_entry(".a", b"1")]), Files([entry]), ManifestDone()
        )
    assert [violation.field for violation in caught.value.field_violations] == [field]


async def test_a_manifest_of_a_million_entries_is_refused_early(parts: Any, workspace: str) -> None:
    """The message that passes the limit is the last one that is read."""
    sent = 0

    async def steps() -> AsyncIterator[Step]:
        nonlocal sent
        yield Begin(workspace)
        for at in range(0, 1_000_000, 10_000):
            sent += 10_000
            yield Files([_entry(f"{n:07}", b"1") for n in range(at, at + 10_000)])

    with pytest.raises(TooLarge) as caught:
        [event async for event in parts.pushes.push(steps(), by=Requester("ann"))]
    assert caught.value.field_violations[0].field == "files[200000]"
    assert sent == 210_000


async def test_someone_elses_workspace_is_refused_with_the_first_step(
    parts: Any, workspace: str
) -> None:
    """It is unknown, whatever follows."""
    with pytest.raises(WorkspaceUnknown):
        await _run(parts, Begin(workspace), Files([_entry("/", b"")]), subject="bob")


@pytest.mark.parametrize(
    ("stored_in", "field"), [("newest", "files[0].size_bytes"), ("earlier", "chunk.digest")]
)
async def test_a_size_that_is_not_that_of_the_stored_content_is_refused(
    parts: Any, workspace: str, stored_in: str, field: str
) -> None:
    """Else a snapshot would state sizes that its contents don't have."""
    await _push(parts, workspace, {"a": b"1"})
    if stored_in == "earlier":
        await _push(parts, workspace, {"a": b"2"})
    wrong = FileEntry("a", _digest(b"1"), 7)
    with pytest.raises(DigestMismatch) as caught:
        await _run(parts, Begin(workspace), Files([wrong]), ManifestDone(), _chunk(b"1"))
    assert caught.value.field_violations[0].field == field


@pytest.mark.parametrize("pushed_before", [{}, {"a": b"1"}])
async def test_a_content_that_a_power_cut_left_half_written_is_asked_for_again(
    parts: Any, workspace: str, pushed_before: dict[str, bytes]
) -> None:
    """Its client has the right one, and must be able to push it."""
    if pushed_before:
        await _push(parts, workspace, pushed_before)
    await parts.blobs.put(workspace, _digest(b"content"), [b""])
    assert (await _push(parts, workspace, {"a": b"content"})).blob_count == 1
    read = parts.workspaces.read_blobs(workspace, [_digest(b"content")], by=Requester("ann"))
    assert [piece.data async for pieces in read for piece in pieces] == [b"content"]


async def test_of_two_pushes_at_once_the_later_commit_wins(parts: Any, workspace: str) -> None:
    """Both are told of their own snapshot, and both snapshots are whole."""
    one = {f"{n}": f"one {n}".encode() for n in range(300)}
    two = {f"{n}": f"two {n}".encode() for n in range(300)}
    pushed = await asyncio.gather(_push(parts, workspace, one), _push(parts, workspace, two))
    newest = await parts.workspaces.get(workspace, by=Requester("ann"))
    assert newest.snapshot in {committed.workspace.snapshot for committed in pushed}
    for committed, files in zip(pushed, (one, two), strict=True):
        manifest = await parts.workspaces.manifest(
            workspace, committed.workspace.snapshot, by=Requester("ann")
        )
        read = parts.workspaces.read_blobs(workspace, list(manifest.contents), by=Requester("ann"))
        data = [piece.data async for pieces in read for piece in pieces]
        assert sorted(data) == sorted(files.values())


async def test_a_push_into_a_workspace_that_is_deleted_meanwhile_leaves_nothing(
    parts: Any, workspace: str, make_parts: Callable[..., Any]
) -> None:
    """Its contents go with it, those that came after the deletion too."""

    async def steps() -> AsyncIterator[Step]:
        yield Begin(workspace)
        yield Files([_entry("a", b"1")])
        yield ManifestDone()
        await make_parts().workspaces.delete(workspace, by=Requester("ann"))
        yield _chunk(b"1")

    with pytest.raises(WorkspaceUnknown):
        [event async for event in parts.pushes.push(steps(), by=Requester("ann"))]
    assert [page async for page in parts.blobs.list_objects(workspace)] in ([], [[]])


async def test_a_push_waits_out_a_sweep(parts: Any, workspace: str) -> None:
    """What is about to be swept must not be taken for stored: the client tries again."""
    async with parts.leases.sweeping(workspace) as alone:
        assert alone
        with pytest.raises(Unavailable) as caught:
            await _push(parts, workspace, {"a": b"1"})
    assert caught.value.retry_after_seconds == 2
    assert (await _push(parts, workspace, {"a": b"1"})).blob_count == 1


async def test_another_replica_knows_what_was_pushed(
    parts: Any, workspace: str, make_parts: Callable[..., Any]
) -> None:
    """A process keeps manifests in memory, but none that it cannot read again."""
    first = await _push(parts, workspace, {"a": b"1", "b": b"2"})
    replica = make_parts()
    manifest = await replica.workspaces.manifest(workspace, "", by=Requester("ann"))
    assert manifest.snapshot == first.workspace.snapshot
    assert (await _push(make_parts(), workspace, {"a": b"1", "c": b"3"})).blob_count == 1


async def test_a_manifest_that_many_want_at_once_is_loaded_once(
    parts: Any, workspace: str, make_parts: Callable[..., Any]
) -> None:
    """It may take 100 MB."""
    await _push(parts, workspace, {"a": b"1"})
    replica = make_parts()
    opening = (replica.workspaces.manifest(workspace, "", by=Requester("ann")) for _ in range(9))
    first, *others = await asyncio.gather(*opening)
    assert all(manifest is first for manifest in others)
