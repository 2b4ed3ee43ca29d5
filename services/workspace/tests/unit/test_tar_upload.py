"""Uploads of tar files, from the stream to the commit, unpacked in a process of their own."""

import asyncio
import io
import os
import resource
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh_serving.errors import ToolmeshError, Unavailable
from toolmesh_workspace.access import Requester
from toolmesh_workspace.errors import (
    FileTypeInvalid,
    PathInvalid,
    TarInvalid,
    TooLarge,
    WorkspaceUnknown,
)
from toolmesh_workspace.unpack import DISK_FAILURE, Answer, Job
from toolmesh_workspaces.limits import Limits


def _tar(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _files_below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def _stream(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def _read(parts: Any, workspace: str, path: str) -> bytes:
    manifest = await parts.workspaces.manifest(workspace, "", by=Requester("ann"))
    digest = manifest.find(path).digest
    pieces = parts.workspaces.read_blobs(workspace, [digest], by=Requester("ann"))
    return b"".join([piece.data async for some in pieces for piece in some])


async def test_a_tar_file_becomes_the_newest_snapshot(parts: Any) -> None:
    """Contents small, large, empty and alike; a second upload replaces all."""
    made = await parts.workspaces.create("x", by=Requester("ann"))
    large = os.urandom(3 * 2**20)
    files = {"a": b"1", "b/large": large, "empty": b"", "same": b"1"}
    record = await parts.uploads.upload(made.id, _stream(_tar(files)), by=Requester("ann"))
    assert (record.file_count, record.size_bytes) == (4, len(large) + 2)
    for path, data in files.items():
        assert await _read(parts, made.id, path) == data
    record = await parts.uploads.upload(made.id, _stream(_tar({"c": b"1"})), by=Requester("ann"))
    assert record.file_count == 1
    assert await _read(parts, made.id, "c") == b"1"


async def test_someone_elses_workspace_is_refused_before_the_upload(parts: Any) -> None:
    """Not a byte is taken."""
    made = await parts.workspaces.create("x", by=Requester("ann"))
    stream = _stream(_tar({"a": b"1"}))
    with pytest.raises(WorkspaceUnknown):
        await parts.uploads.upload(made.id, stream, by=Requester("bob"))
    assert await anext(stream)


@pytest.mark.parametrize(
    ("data", "kind", "field"),
    [
        (_tar({"../x": b"1"}), PathInvalid, "tar.members[0].path"),
        (_tar({"/x": b"1"}), PathInvalid, "tar.members[0].path"),
        (_tar({"x": b""}, tarfile.CHRTYPE), FileTypeInvalid, "tar.members[0]"),
        (_tar({"x": b""}, tarfile.FIFOTYPE), FileTypeInvalid, "tar.members[0]"),
        (_tar({"x": bytes(2 * 2**20)}), TooLarge, "tar.members[0].size_bytes"),
        (b"no tar file", TarInvalid, "tar"),
        (_tar({"a": b"1"})[:-20], TarInvalid, "tar"),
    ],
    ids=["dotdot", "absolute", "device", "fifo", "large", "no-tar", "cut-off"],
)
async def test_harmful_uploads_leave_nothing_behind(
    make_parts: Callable[..., Any],
    blob_folder: Path,
    data: bytes,
    kind: type[ToolmeshError],
    field: str,
) -> None:
    """No file in the spool folder, no content in the store, no snapshot."""
    parts = make_parts(Limits(file_bytes=2**20))
    made = await parts.workspaces.create("x", by=Requester("ann"))
    with pytest.raises(kind) as caught:
        await parts.uploads.upload(made.id, _stream(data), by=Requester("ann"))
    assert [violation.field for violation in caught.value.field_violations] == [field]
    assert _files_below(parts.spool) == _files_below(blob_folder) == []
    assert await parts.workspaces.get(made.id, by=Requester("ann")) == made


async def test_a_tar_bomb_is_refused(parts: Any, blob_folder: Path) -> None:
    """Two gigabytes of zeros in two megabytes."""
    made = await parts.workspaces.create("x", by=Requester("ann"))
    zeros = bytes(60 * 2**20)
    bomb = await asyncio.to_thread(_tar, {f"{n}": zeros for n in range(3)})
    with pytest.raises(TooLarge, match="more than 100 times its size"):
        await parts.uploads.upload(made.id, _stream(bomb, 2**20), by=Requester("ann"))
    assert _files_below(parts.spool) == _files_below(blob_folder) == []


async def test_an_upload_that_is_too_large_is_refused_while_it_comes(
    make_parts: Callable[..., Any],
) -> None:
    """What is spooled has a bound, whatever is in it."""
    parts = make_parts(Limits(snapshot_bytes=1000))
    made = await parts.workspaces.create("x", by=Requester("ann"))
    piece = bytes(8 * 2**20)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield piece

    with pytest.raises(TooLarge, match="tar has more than"):
        await parts.uploads.upload(made.id, endless(), by=Requester("ann"))
    assert taken == 33


async def test_a_caller_who_hangs_up_leaves_nothing_behind(parts: Any) -> None:
    """The upload is cancelled in the middle."""
    made = await parts.workspaces.create("x", by=Requester("ann"))
    begun = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield _tar({"a": b"1"})
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(parts.uploads.upload(made.id, stalling(), by=Requester("ann")))
    await begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert _files_below(parts.spool) == []
    assert await parts.workspaces.get(made.id, by=Requester("ann")) == made


async def test_a_disk_that_is_full_is_not_the_callers_fault(parts: Any) -> None:
    """An upload that cannot be kept may be tried again."""
    made = await parts.workspaces.create("x", by=Requester("ann"))
    data = os.urandom(5 * 2**20)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        with pytest.raises(Unavailable):
            await parts.uploads.upload(made.id, _stream(data, 2**20), by=Requester("ann"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    parts.spool.rmdir()
    with pytest.raises(Unavailable):
        await parts.uploads.upload(made.id, _stream(data), by=Requester("ann"))


async def test_a_disk_that_gets_full_while_a_tar_file_is_unpacked_is_told_from_a_bad_one(
    tmp_path: Path,
) -> None:
    """What is unpacked may be much larger than what came."""
    (tmp_path / "tar").write_bytes(_tar({"a": b"1" * 2**20}))
    source, full = os.open(tmp_path / "tar", os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)
    try:
        unpacking = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "toolmesh_workspace.unpack",
            Job(source=source, contents=full, limits=Limits()).to_argument(),
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(source, full),
        )
        output, _ = await unpacking.communicate()
    finally:
        os.close(source)
        os.close(full)
    assert Answer.from_line(output).refusal == DISK_FAILURE
