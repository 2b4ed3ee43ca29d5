"""Pushes a scanned folder to the workspace service."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio

from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh.workspace.v1.workspace_pb2 import Workspace
from toolmesh_workspaces.contents import Content, FileChangedError, TreeContents
from toolmesh_workspaces.limits import DEFAULT_LIMITS, Limits
from toolmesh_workspaces.retry_info import retry_seconds
from toolmesh_workspaces.scan import Scan, scan_tree
from toolmesh_workspaces.stat_cache import StatCache
from toolmesh_workspaces.wire import file_batches

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub

_CHUNK_BYTES = 1 << 20
# The service's own timeout for a push.
_TIMEOUT_SECONDS = 900
_ANSWER_SECONDS = 10
# How long a push that the service has no room for is tried again.
_PATIENCE_SECONDS = 120.0
# A tree that is being built or checked out settles within a few scans or not at all.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push is."""

    blob_count: int
    """How many contents the service has asked for so far."""
    size_bytes: int
    """The size of those."""
    sent_blob_count: int
    """How many of them were sent."""
    sent_bytes: int
    """How many bytes were sent."""


@dataclass(frozen=True)
class Pushed:
    """The outcome of a push."""

    workspace: Workspace
    """The workspace as the push left it."""
    uploaded_blob_count: int
    """How many contents were sent."""
    uploaded_bytes: int
    """The size of those."""
    scan: Scan
    """What was pushed, and what was left out."""


async def push_folder(
    stub: "WorkspaceServiceStub",
    *,
    workspace: str,
    root: Path,
    cache: StatCache | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_scan: Callable[[int, int], None] | None = None,
    on_push: Callable[[PushProgress], None] | None = None,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Pushed:
    """Scan a folder and make it the workspace's content.

    A folder that changes meanwhile is scanned again, twice at most. `on_scan(done, all)` counts
    files and is called in a thread of its own; `on_push` is called on the loop.

    A service that says when to try again is obeyed, for `patience_seconds` in all. The caller must
    be allowed to read the workspace, too.

    It raises ManifestError or OSError from the scan, FileChangedError for a folder that does not
    come to rest, and grpc.aio.AioRpcError when the service refuses.
    """
    # Asked before anything is read, which may take long.
    request = pb.GetWorkspaceRequest(workspace=workspace)
    await stub.GetWorkspace(request, timeout=_ANSWER_SECONDS)
    for attempt in range(1, _ATTEMPTS + 1):
        scan = await asyncio.to_thread(
            scan_tree, root, limits=limits, cache=cache, on_progress=on_scan
        )
        try:
            return await push_scan(
                stub,
                workspace=workspace,
                scan=scan,
                on_push=on_push,
                patience_seconds=patience_seconds,
            )
        except FileChangedError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


async def push_scan(
    stub: "WorkspaceServiceStub",
    *,
    workspace: str,
    scan: Scan,
    on_push: Callable[[PushProgress], None] | None = None,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Pushed:
    """Push what was scanned; see `push_folder`. It raises FileChangedError at the first change."""
    give_up_at = time.monotonic() + patience_seconds
    while True:
        try:
            return await _push_once(stub, _Upload(scan, workspace, on_push or _ignore), scan)
        except grpc.aio.AioRpcError as error:
            # What arrived before is kept, so trying again sends it but once.
            wait = retry_seconds(error)
            if wait is None or time.monotonic() + wait > give_up_at:
                raise
        # Those who were turned away together should not come back together.
        await asyncio.sleep(wait * random.uniform(1, 1.5))  # noqa: S311 - no secret


async def _push_once(stub: "WorkspaceServiceStub", upload: "_Upload", scan: Scan) -> Pushed:
    call = stub.Push(upload.requests(), timeout=_TIMEOUT_SECONDS)
    committed: pb.PushCommitted | None = None
    try:
        async for response in call:
            step = response.WhichOneof("step")
            if step == "accepted":
                upload.accept()
            elif step == "missing":
                upload.ask(list(response.missing.digests), done=response.missing.done)
            elif step == "committed":
                committed = response.committed
    finally:
        upload.end()
        # A failure here ends the stream early, which the service can only take for a broken push;
        # its complaint is not what the caller needs to hear.
        if upload.failure is not None:
            raise upload.failure
    if committed is None:
        raise ConnectionError("the service ended the push without a commit")
    return Pushed(
        committed.workspace, committed.uploaded_blob_count, committed.uploaded_bytes, scan
    )


class _Upload:
    """The client's side of one push: the manifest, then what the service asks for."""

    def __init__(self, scan: Scan, workspace: str, on_push: Callable[[PushProgress], None]) -> None:
        self._files = scan.manifest.files
        self._workspace = workspace
        self._contents = TreeContents(scan.root, scan.manifest)
        self._asked: asyncio.Queue[list[bytes] | None] = asyncio.Queue()
        self._on_push = on_push
        self._blobs = self._bytes = self._sent_blobs = self._sent_bytes = 0
        self._accepted = asyncio.Event()
        self._ended = False
        self.failure: Exception | None = None

    def accept(self) -> None:
        """Let the manifest be sent."""
        self._accepted.set()

    def end(self) -> None:
        """Let go of a stream that still waits: gRPC's client does not when a call has failed."""
        self._ended = True
        self._accepted.set()
        self._asked.put_nowait(None)

    def ask(self, digests: list[bytes], *, done: bool) -> None:
        """Queue what the service misses; `done` ends the list."""
        self._blobs += len(digests)
        self._bytes += sum(map(self._contents.size, digests))
        self._asked.put_nowait(digests)
        if done:
            self._asked.put_nowait(None)
        self._report()

    async def requests(self) -> AsyncIterator[pb.PushRequest]:
        """Yield the steps of the push. A failure is kept in `failure` and ends the stream."""
        yield pb.PushRequest(begin=pb.PushBegin(workspace=self._workspace))
        try:
            # When a stream is refused while it sends, gRPC's client tells of the failed sending
            # instead of the refusal.
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._accepted.wait()
            if self._ended:
                return
            for files in file_batches(self._files):
                yield pb.PushRequest(files=pb.PushFiles(files=files))
            yield pb.PushRequest(manifest_done=pb.PushManifestDone())
            while (digests := await self._asked.get()) is not None:
                async for content in self._contents.read(digests):
                    for chunk in _chunks(content):
                        yield pb.PushRequest(chunk=chunk)
                        self._sent_bytes += len(chunk.data)
                        self._sent_blobs += chunk.last
                        self._report()
        except FileChangedError as error:
            self.failure = error
        except TimeoutError:
            self.failure = ConnectionError("the service did not answer the beginning of the push")

    def _report(self) -> None:
        self._on_push(PushProgress(self._blobs, self._bytes, self._sent_blobs, self._sent_bytes))


def _chunks(content: Content) -> list[pb.BlobChunk]:
    size = len(content.data)
    return [
        pb.BlobChunk(
            digest=content.digest,
            data=content.data[at : at + _CHUNK_BYTES],
            last=at + _CHUNK_BYTES >= size,
        )
        for at in range(0, max(size, 1), _CHUNK_BYTES)
    ]


def _ignore(progress: PushProgress) -> None:
    """Drop the progress."""
