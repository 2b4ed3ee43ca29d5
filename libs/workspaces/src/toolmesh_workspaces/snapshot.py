"""Reads snapshots out of the workspace service: what tools use."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from toolmesh.workspace.v1 import workspace_service_pb2 as pb
from toolmesh_workspaces.builder import ManifestBuilder
from toolmesh_workspaces.checkout import CheckoutWriter
from toolmesh_workspaces.limits import DEFAULT_LIMITS, Limits
from toolmesh_workspaces.manifest import FileEntry, Manifest
from toolmesh_workspaces.manifest_cache import ManifestCache
from toolmesh_workspaces.wire import entry_of

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub

# The service takes 10,000 digests a call.
_DIGESTS_A_CALL = 5000
_WRITE_BYTES = 4 * 2**20


class CorruptSnapshotError(Exception):
    """What the service sent does not have the digest that was asked for."""


class Snapshot:
    """One snapshot of a workspace: its files at once, their contents on demand.

    Every method that asks the service raises grpc.aio.AioRpcError when it fails, and
    CorruptSnapshotError for a content that does not have its digest.
    """

    def __init__(self, stub: "WorkspaceServiceStub", *, workspace: str, manifest: Manifest) -> None:
        self._stub = stub
        self.workspace = workspace
        """The workspace's id."""
        self.manifest = manifest
        """The files, sorted by path."""

    @classmethod
    async def open(
        cls,
        stub: "WorkspaceServiceStub",
        *,
        workspace: str,
        snapshot: str = "",
        cache: ManifestCache | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> "Snapshot":
        """Open a snapshot, the newest when none is named.

        The service is asked each time whether the caller may see the workspace; the manifest comes
        from the cache when it is there. It raises grpc.aio.AioRpcError, NOT_FOUND when there is no
        such workspace or snapshot for this caller.
        """
        got = await stub.GetWorkspace(pb.GetWorkspaceRequest(workspace=workspace))
        wanted = snapshot or got.workspace.snapshot
        if cache is None:
            manifest = await _fetch_manifest(stub, workspace, wanted, limits, None)
        else:
            manifest = await _cached_manifest(stub, workspace, wanted, limits, cache)
        return cls(stub, workspace=workspace, manifest=manifest)

    @property
    def digest(self) -> str:
        """The snapshot's id."""
        return self.manifest.snapshot

    def __iter__(self) -> Iterator[FileEntry]:
        return iter(self.manifest.files)

    async def read(self, path: str) -> bytes:
        """Return the content of a file; KeyError when there is no file (or a link) at that path."""
        entry = self.manifest.find(path)
        if entry is None or not entry.digest:
            raise KeyError(path)
        async for _, content in self.read_many([entry.digest]):
            return content
        raise CorruptSnapshotError(f"{path} was not sent")

    async def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) in the order asked for, as the contents arrive."""
        asked = iter(digests)
        while batch := list(islice(asked, _DIGESTS_A_CALL)):
            async for pair in self._read_batch(batch):
                yield pair

    async def check_out(
        self, folder: Path, *, only: Callable[[FileEntry], bool] | None = None
    ) -> None:
        """Write the files into a folder that is made or is empty; `only` chooses among them.

        It raises FileExistsError when the folder has anything in it, and other OSErrors as they
        come. What was written before a failure stays for the caller to remove.
        """
        files = self.manifest.files if only is None else tuple(filter(only, self.manifest.files))
        writer = await asyncio.to_thread(CheckoutWriter, folder, Manifest(files))
        await asyncio.to_thread(writer.make_folders)
        by_digest: defaultdict[bytes, list[FileEntry]] = defaultdict(list)
        for entry in files:
            if entry.digest:
                by_digest[entry.digest].append(entry)
        pending: list[tuple[list[FileEntry], bytes]] = []
        size = 0
        async for digest, content in self.read_many(by_digest):
            pending.append((by_digest[digest], content))
            size += len(content)
            if size >= _WRITE_BYTES:
                await asyncio.to_thread(_write_all, writer, pending)
                pending, size = [], 0
        await asyncio.to_thread(_write_all, writer, pending)
        await asyncio.to_thread(writer.make_links)

    async def _read_batch(self, digests: list[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        request = pb.ReadBlobsRequest(workspace=self.workspace, digests=digests)
        expected = iter(digests)
        parts: list[bytes] = []
        async for response in self._stub.ReadBlobs(request):
            for chunk in response.chunks:
                parts.append(chunk.data)
                if not chunk.last:
                    continue
                content = parts[0] if len(parts) == 1 else b"".join(parts)
                parts = []
                digest = next(expected, b"")
                if chunk.digest != digest or blake3(content).digest() != digest:
                    raise CorruptSnapshotError(f"content {digest.hex()} was sent wrong")
                yield digest, content
        if next(expected, None) is not None:
            raise CorruptSnapshotError("fewer contents were sent than asked for")


async def _cached_manifest(
    stub: "WorkspaceServiceStub",
    workspace: str,
    snapshot: str,
    limits: Limits,
    cache: ManifestCache,
) -> Manifest:
    async with cache.turn(workspace, snapshot):
        manifest = cache.get(workspace, snapshot)
        if manifest is None:
            known = cache.last_of(workspace)
            manifest = await _fetch_manifest(stub, workspace, snapshot, limits, known)
            cache.put(workspace, manifest)
    return manifest


async def _fetch_manifest(
    stub: "WorkspaceServiceStub",
    workspace: str,
    snapshot: str,
    limits: Limits,
    known: Manifest | None,
) -> Manifest:
    """Return a manifest; what is in `known`, too, needs no memory of its own."""
    request = pb.GetManifestRequest(workspace=workspace, snapshot=snapshot)
    builder = ManifestBuilder(limits)
    async for response in stub.GetManifest(request):
        # Not named: it was the newest, and there was none a moment ago.
        snapshot = snapshot or response.snapshot
        for file in response.files:
            builder.add(entry_of(file))
    manifest = await asyncio.to_thread(_built, builder, known)
    if manifest.snapshot != snapshot:
        raise CorruptSnapshotError(f"the manifest of {snapshot} was sent wrong")
    return manifest


def _built(builder: ManifestBuilder, known: Manifest | None) -> Manifest:
    manifest = builder.build()
    return manifest if known is None else manifest.sharing(known)


def _write_all(writer: CheckoutWriter, pending: list[tuple[list[FileEntry], bytes]]) -> None:
    for entries, content in pending:
        writer.write(entries, content)
