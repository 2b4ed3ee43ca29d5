"""The client library against a real server: push a folder, read it back, check it out."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_workspaces.contents import FileChangedError
from toolmesh_workspaces.manifest_cache import ManifestCache
from toolmesh_workspaces.push import PushProgress, push_folder, push_scan
from toolmesh_workspaces.scan import scan_tree
from toolmesh_workspaces.snapshot import Snapshot
from toolmesh_workspaces.stat_cache import StatCache

StubOf = Callable[..., Awaitable[Any]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with many small files, a large one, an empty one, a program and a link."""
    root = tmp_path / "tree"
    for number in range(300):
        folder = root / f"d{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_text(f"x = {number}\n")
    (root / "large").write_bytes(os.urandom(5 * 2**20 + 3))
    (root / "empty").write_bytes(b"")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("d0/0.py")
    return root


def _contents(root: Path) -> dict[str, tuple[bytes, bool, bool]]:
    return {
        str(file.relative_to(root)): (
            file.read_bytes(),
            file.is_symlink(),
            bool(file.stat().st_mode & 0o100),
        )
        for file in root.rglob("*")
        if not file.is_dir()
    }


async def test_what_is_checked_out_is_what_was_pushed(
    stub: Any, workspace: str, tree: Path, tmp_path: Path
) -> None:
    """Contents, modes and links."""
    pushed = await push_folder(stub, workspace=workspace, root=tree)
    assert pushed.workspace.file_count == 304
    snapshot = await Snapshot.open(stub, workspace=workspace)
    assert snapshot.digest == pushed.workspace.snapshot == pushed.scan.manifest.snapshot
    await snapshot.check_out(tmp_path / "out")
    assert _contents(tmp_path / "out") == _contents(tree)


async def test_a_second_push_sends_the_changed_file_alone(
    stub: Any, workspace: str, tree: Path, tmp_path: Path
) -> None:
    """One content, and progress that adds up."""
    cache = StatCache.for_tree(tree, folder=tmp_path / "cache")
    first: list[PushProgress] = []
    pushed = await push_folder(
        stub, workspace=workspace, root=tree, cache=cache, on_push=first.append
    )
    assert pushed.uploaded_blob_count == 303
    last = first[-1]
    assert (last.sent_blob_count, last.sent_bytes) == (last.blob_count, last.size_bytes)
    assert (last.blob_count, last.size_bytes) == (303, pushed.uploaded_bytes)
    (tree / "d0/0.py").write_text("y = 1\n")
    pushed = await push_folder(stub, workspace=workspace, root=tree, cache=cache)
    assert (pushed.uploaded_blob_count, pushed.uploaded_bytes) == (1, 6)


async def test_a_file_that_changes_before_it_is_sent_is_not_pushed(
    stub: Any, workspace: str, tree: Path
) -> None:
    """The workspace stays as it was, and the next push takes the file as it is now."""
    scan = scan_tree(tree)
    (tree / "d0/0.py").write_text("changed\n")
    with pytest.raises(FileChangedError, match=r"d0/0\.py changed"):
        await push_scan(stub, workspace=workspace, scan=scan)
    got = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))
    assert got.workspace.snapshot == ""
    pushed = await push_folder(stub, workspace=workspace, root=tree)
    assert pushed.workspace.file_count == 304


async def test_a_tree_that_changes_while_it_is_pushed_is_scanned_again(
    stub: Any, workspace: str, tree: Path
) -> None:
    """Once it comes to rest, it is pushed as it is."""
    changes = iter([b"first", b"second"])

    def change_after_scan(progress: PushProgress) -> None:
        if progress.sent_blob_count == 0 and (data := next(changes, None)) is not None:
            (tree / "d0/0.py").write_bytes(data)

    pushed = await push_folder(stub, workspace=workspace, root=tree, on_push=change_after_scan)
    snapshot = await Snapshot.open(stub, workspace=workspace)
    assert snapshot.digest == pushed.workspace.snapshot
    assert await snapshot.read("d0/0.py") == b"second"


async def test_an_older_snapshot_stays_readable(stub: Any, workspace: str, tree: Path) -> None:
    """A tool reads what it was asked to read, whatever is pushed meanwhile."""
    first = await push_folder(stub, workspace=workspace, root=tree)
    (tree / "run").write_text("other")
    await push_folder(stub, workspace=workspace, root=tree)
    old = await Snapshot.open(stub, workspace=workspace, snapshot=first.workspace.snapshot)
    assert await old.read("run") == b"#!/bin/sh\n"


async def test_contents_are_read_in_the_order_asked_for(
    stub: Any, workspace: str, tree: Path
) -> None:
    """Large ones in many messages among small ones."""
    await push_folder(stub, workspace=workspace, root=tree)
    snapshot = await Snapshot.open(stub, workspace=workspace)
    wanted = [entry.digest for entry in reversed(snapshot.manifest.files) if entry.digest]
    read = [digest async for digest, _ in snapshot.read_many(wanted)]
    assert read == wanted


@pytest.mark.parametrize("path", ["missing", "d0", "link", "../tree/run"])
async def test_only_files_can_be_read(stub: Any, workspace: str, tree: Path, path: str) -> None:
    """Neither folders nor links are contents."""
    await push_folder(stub, workspace=workspace, root=tree)
    snapshot = await Snapshot.open(stub, workspace=workspace)
    with pytest.raises(KeyError):
        await snapshot.read(path)


async def test_a_part_can_be_checked_out(
    stub: Any, workspace: str, tree: Path, tmp_path: Path
) -> None:
    """A tool that reads Python needs no other files."""
    await push_folder(stub, workspace=workspace, root=tree)
    snapshot = await Snapshot.open(stub, workspace=workspace)
    await snapshot.check_out(tmp_path / "out", only=lambda entry: entry.path.startswith("d3/"))
    assert {path.split("/")[0] for path in _contents(tmp_path / "out")} == {"d3"}


async def test_a_kept_manifest_is_not_given_to_others(
    stub: Any, stub_of: StubOf, workspace: str, tree: Path
) -> None:
    """The service is asked each time, though the manifest is in memory."""
    pushed = await push_folder(stub, workspace=workspace, root=tree)
    cache = ManifestCache()
    first = await Snapshot.open(stub, workspace=workspace, cache=cache)
    again = await Snapshot.open(stub, workspace=workspace, cache=cache)
    assert again.manifest is first.manifest
    bob = await stub_of("bob")
    for snapshot in ("", pushed.workspace.snapshot):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Snapshot.open(bob, workspace=workspace, snapshot=snapshot, cache=cache)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_manifest_that_many_calls_want_at_once_is_fetched_once(
    stub: Any, workspace: str, tree: Path
) -> None:
    """It may take 100 MB, and an agent's calls come together."""
    await push_folder(stub, workspace=workspace, root=tree)
    cache = ManifestCache()
    opening = (Snapshot.open(stub, workspace=workspace, cache=cache) for _ in range(9))
    first, *others = await asyncio.gather(*opening)
    assert all(snapshot.manifest is first.manifest for snapshot in others)


async def test_a_workspace_whose_first_push_ends_meanwhile_is_opened(
    stub: Any, workspace: str, tree: Path
) -> None:
    """The service may have no snapshot when it is asked for the newest, and one right after."""
    empty = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))
    pushed = await push_folder(stub, workspace=workspace, root=tree)

    async def answered_before(_: pb.GetWorkspaceRequest) -> pb.GetWorkspaceResponse:
        return empty

    early: Any = SimpleNamespace(GetWorkspace=answered_before, GetManifest=stub.GetManifest)
    snapshot = await Snapshot.open(early, workspace=workspace)
    assert snapshot.digest == pushed.workspace.snapshot
