"""Entries as the workspace service's messages and back."""

from collections.abc import Iterable, Iterator

from toolmesh.workspace.v1 import workspace_pb2
from toolmesh_workspaces.manifest import FileEntry

_FILES_A_BATCH = 4000
_BATCH_BYTES = 512 * 1024
# Digest, size, mode and framing.
_ENTRY_BYTES = 48


def file_batches(entries: Iterable[FileEntry]) -> Iterator[list[workspace_pb2.File]]:
    """Yield the entries as messages, in lists that fit well into one message each."""
    batch: list[workspace_pb2.File] = []
    size = 0
    for entry in entries:
        batch.append(_file_of(entry))
        # A path's length in characters is near enough, and 4,096 bytes at most.
        size += _ENTRY_BYTES + len(entry.path) + len(entry.symlink_target)
        if len(batch) >= _FILES_A_BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def entry_of(file: workspace_pb2.File) -> FileEntry:
    """Return the message as an entry; it is not checked."""
    return FileEntry(file.path, file.digest, file.size_bytes, file.executable, file.symlink_target)


def _file_of(entry: FileEntry) -> workspace_pb2.File:
    return workspace_pb2.File(
        path=entry.path,
        digest=entry.digest,
        size_bytes=entry.size_bytes,
        executable=entry.executable,
        symlink_target=entry.symlink_target,
    )
