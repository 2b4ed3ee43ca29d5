"""Reads a tar file of unknown origin: entries for a manifest, and each content once in a file.

It blocks and trusts nothing; `unpack` runs it in a process of its own.
"""

import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from blake3 import blake3

from toolmesh_workspace.decompression import BoundedReader
from toolmesh_workspaces.builder import ManifestBuilder
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest import FileEntry, Manifest
from toolmesh_workspaces.paths import path_fault, target_fault
from toolmesh_workspaces.refusals import ManifestError, Refusal

_READ_BYTES = 1 << 20
# Long names and extended headers are read whole by tarfile. A path has 4096 bytes at most.
_MAX_HEADER_BYTES = 64 * 1024
_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# What a member takes besides its content: its own header and those that extend it.
_OVERHEAD_BYTES = 4096


@dataclass(frozen=True)
class Unpacked:
    """What a tar file holds."""

    manifest: Manifest
    digests: tuple[bytes, ...]
    """Every content once, in the order in which they lie in the file."""
    offsets: "array[int]"
    """Where each of them begins."""


class TarError(Exception):
    """The stream is no tar file, or a damaged one."""


class _Member(tarfile.TarInfo):
    """A member whose extended headers are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADER_TYPES and member.size > _MAX_HEADER_BYTES:
            raise TarError("has an extended header that is too long")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise TarError("has a sparse file, which is not supported")
        return member


def read_tar(source: BinaryIO, contents: BinaryIO, limits: Limits) -> Unpacked:
    """Read a tar file, plain or compressed, and write its contents one after another.

    It raises TarError, StreamError or BombError for the file as a whole, and ManifestError for a
    member: its field is `tar.members[<index>]` or below.
    """
    reader = BoundedReader(source, limits.snapshot_bytes + _OVERHEAD_BYTES * limits.files)
    unpacker = _Unpacker(contents, limits)
    try:
        # tarfile asks nothing of a stream but `read`.
        stream = cast("IO[bytes]", reader)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            for place, member in _members(archive):
                unpacker.add(archive, member, place)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise TarError(f"is not a tar file that can be read ({error})") from None
    # What follows the end marker is padding, but a compressed stream ends with its check sum.
    while reader.read(_READ_BYTES):
        pass
    return unpacker.finish()


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    index = 0
    while (member := archive.next()) is not None:
        # tarfile keeps every member that it has seen, for callers that go back.
        vars(archive).get("members", []).clear()
        yield f"tar.members[{index}]", member
        index += 1


class _Unpacker:
    def __init__(self, contents: BinaryIO, limits: Limits) -> None:
        self._contents = contents
        self._limits = limits
        self._members = 0
        self._size = 0
        self._entries: dict[str, tuple[FileEntry, str]] = {}
        self._digests: dict[bytes, None] = {}
        self._offsets = array("Q")

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: str) -> None:
        """Take the next member. A path that comes again replaces the earlier one, as tar has it."""
        self._members += 1
        # Folders make no entries; this bounds them too.
        if self._members > 2 * self._limits.files:
            raise _too_large("tar", f"has more than {2 * self._limits.files} members")
        path = self._path(member, place)
        if path is None or member.isdir():
            return
        if member.issym():
            entry = self._link(path, member, place)
        elif member.islnk():
            entry = self._hard_link(path, member, place)
        elif member.isreg() and not member.issparse():
            entry = self._file(archive, path, member, place)
        else:
            raise ManifestError(
                Refusal.FILE_TYPE,
                field=place,
                description=f"{path!r} is a device, a FIFO or another special file",
            )
        self._entries[path] = (entry, place)
        if len(self._entries) > self._limits.files:
            raise _too_large("tar", f"has more than {self._limits.files} files")

    def finish(self) -> Unpacked:
        """Check what concerns several members, and return all."""
        builder = ManifestBuilder(self._limits)
        for path in sorted(self._entries):
            entry, place = self._entries[path]
            builder.add(entry, field=place)
        return Unpacked(builder.build(), tuple(self._digests), self._offsets)

    def _path(self, member: tarfile.TarInfo, place: str) -> str | None:
        """Return a member's path, None for the root and for what is left out."""
        path = _without_dot(member.name)
        if path in {"", "."}:
            return None
        # A checkout is often packed with its repository, which is no part of a snapshot. The name
        # of what is left out must be a good one all the same.
        parts = path.split("/")
        others = ["git" if part.lower() == ".git" else part for part in parts]
        _check_path("/".join(others), path, place, self._limits)
        return path if others == parts else None

    def _link(self, path: str, member: tarfile.TarInfo, place: str) -> FileEntry:
        try:
            fault = target_fault(member.linkname, member.linkname.encode(), self._limits)
        except UnicodeEncodeError:
            fault = "is not UTF-8"
        if fault is not None:
            raise ManifestError(
                Refusal.FILE_TYPE,
                field=f"{place}.symlink_target",
                description=f"of {path!r} {fault}",
            )
        return FileEntry(path, symlink_target=member.linkname)

    def _hard_link(self, path: str, member: tarfile.TarInfo, place: str) -> FileEntry:
        first, _ = self._entries.get(_without_dot(member.linkname), (None, ""))
        if first is None or first.symlink_target:
            raise ManifestError(
                Refusal.FILE_TYPE,
                field=place,
                description=f"{path!r} is a hard link to no file before it in the archive",
            )
        self._count(first.size_bytes, place)
        return FileEntry(path, first.digest, first.size_bytes, first.executable)

    def _file(
        self, archive: tarfile.TarFile, path: str, member: tarfile.TarInfo, place: str
    ) -> FileEntry:
        if member.size > self._limits.file_bytes:
            most = self._limits.file_bytes
            raise _too_large(f"{place}.size_bytes", f"{path!r} has more than {most} bytes")
        self._count(member.size, place)
        content = archive.extractfile(member)
        if content is None:
            raise TarError(f"has a member without content ({path!r})")
        hasher = blake3()
        begin = self._contents.tell()
        while data := content.read(_READ_BYTES):
            hasher.update(data)
            self._contents.write(data)
        digest = hasher.digest()
        if digest in self._digests:
            self._contents.seek(begin)
        else:
            self._digests[digest] = None
            self._offsets.append(begin)
        return FileEntry(path, digest, member.size, bool(member.mode & 0o100))

    def _count(self, size: int, place: str) -> None:
        self._size += size
        if self._size > self._limits.snapshot_bytes:
            most = self._limits.snapshot_bytes
            raise _too_large(place, f"the files have more than {most} bytes together")


def _without_dot(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name


def _check_path(path: str, shown: str, place: str, limits: Limits) -> None:
    try:
        fault = path_fault(path, path.encode(), limits)
    except UnicodeEncodeError:
        fault = "is not UTF-8"
    if fault is not None:
        raise ManifestError(Refusal.PATH, field=f"{place}.path", description=f"{shown!r} {fault}")


def _too_large(field: str, description: str) -> ManifestError:
    return ManifestError(Refusal.TOO_LARGE, field=field, description=description)
