"""What tools need of a snapshot to read it: `toolmesh_workspaces.snapshot.Snapshot` has it."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Protocol


class SnapshotFile(Protocol):
    """A file or a symbolic link of a snapshot; a link has an empty digest."""

    @property
    def path(self) -> str:
        """From the root, with `/`."""
        ...

    @property
    def digest(self) -> bytes:
        """The digest of the content."""
        ...

    @property
    def size_bytes(self) -> int:
        """The size of the content."""
        ...


class Snapshot(Protocol):
    """An immutable tree of files, known by the digest of all of it."""

    @property
    def digest(self) -> str:
        """What the snapshot is known by."""
        ...

    def __iter__(self) -> Iterator[SnapshotFile]: ...

    def read_many(self, digests: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield (digest, content) for each digest."""
        ...
