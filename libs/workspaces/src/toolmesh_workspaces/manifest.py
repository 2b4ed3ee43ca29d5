"""What a snapshot is: a sorted list of files by content digest, and the digest of that list.

The canonical encoding of a manifest is made of columns, so that packing and unpacking it is a few
calls whatever the number of files. All integers are little-endian, and files stand in the order of
their paths' UTF-8 bytes:

    magic     8 bytes, `TMSNAP1` and a line feed
    count     8 bytes, the number of entries n
    kinds     n bytes: 0 a file, 1 an executable file, 2 a symbolic link
    sizes     8 bytes for each entry that is not a link
    digests   32 bytes for each entry that is not a link: the BLAKE3 of its content
    paths     each path in UTF-8 and a NUL
    targets   each link's target in UTF-8 and a NUL

No path or target holds a NUL and every other column has a known length, so two manifests have the
same bytes only when they are equal. The snapshot's id is the BLAKE3 digest of these bytes in
hexadecimal.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec
from blake3 import blake3

DIGEST_BYTES = 32
_MAGIC = b"TMSNAP1\n"
_FILE, _EXECUTABLE, _LINK = 0, 1, 2


class FileEntry(msgspec.Struct, frozen=True, gc=False):
    """A file or a symbolic link of a snapshot."""

    path: str
    """From the root, with `/`."""
    digest: bytes = b""
    """The BLAKE3 digest of the content, 32 bytes; empty for a link."""
    size_bytes: int = 0
    """The size of the content; 0 for a link."""
    executable: bool = False
    """True when its owner may execute it."""
    symlink_target: str = ""
    """Where a link points, relative to the link's folder; empty for a file."""


@dataclass(frozen=True)
class Manifest:
    """The files of a snapshot, sorted by path.

    It checks nothing: `ManifestBuilder` makes it from entries that nobody vouches for.
    """

    files: tuple[FileEntry, ...]

    @cached_property
    def snapshot(self) -> str:
        """The snapshot's id: 64 hex digits."""
        return blake3(self.encode()).hexdigest()

    @cached_property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.size_bytes for entry in self.files)

    @cached_property
    def contents(self) -> dict[bytes, int]:
        """Every content once: digest -> size, in the order of the files."""
        return {entry.digest: entry.size_bytes for entry in self.files if entry.digest}

    def find(self, path: str) -> FileEntry | None:
        """Return the entry at exactly that path, or None."""
        at = bisect_left(self.files, path, key=_path_of)
        if at < len(self.files) and self.files[at].path == path:
            return self.files[at]
        return None

    def sharing(self, other: "Manifest") -> "Manifest":
        """Return the same manifest, made of the other one's entries where they are equal.

        A version of a tree then takes the memory of what is new in it.
        """
        known = {entry: entry for entry in other.files}
        return Manifest(tuple([known.get(entry, entry) for entry in self.files]))

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        kinds = bytes(map(_kind, self.files))
        regular = [entry for entry in self.files if not entry.symlink_target]
        sizes = array("Q", [entry.size_bytes for entry in regular])
        if sys.byteorder == "big":
            sizes.byteswap()
        return b"".join(
            (
                _MAGIC,
                len(kinds).to_bytes(8, "little"),
                kinds,
                sizes.tobytes(),
                *(entry.digest for entry in regular),
                "".join(f"{entry.path}\0" for entry in self.files).encode(),
                "".join(f"{e.symlink_target}\0" for e in self.files if e.symlink_target).encode(),
            )
        )


def decode(data: bytes) -> Manifest:
    """Return the manifest of canonical bytes that were checked before they were stored.

    It fails with ValueError when the columns don't add up; it does not check paths and links again.
    """
    if data[:8] != _MAGIC:
        raise ValueError("not a manifest")
    count = int.from_bytes(data[8:16], "little")
    kinds = data[16 : 16 + count]
    regular = count - kinds.count(_LINK)
    sizes_at = 16 + count
    digests_at = sizes_at + 8 * regular
    texts_at = digests_at + DIGEST_BYTES * regular
    texts = data[texts_at:].decode().split("\0")
    if len(kinds) != count or len(texts) != count + kinds.count(_LINK) + 1 or texts[-1]:
        raise ValueError("the manifest is cut off or has bytes too many")
    sizes = array("Q", data[sizes_at:digests_at])
    if sys.byteorder == "big":
        sizes.byteswap()
    digests = (data[at : at + DIGEST_BYTES] for at in range(digests_at, texts_at, DIGEST_BYTES))
    contents = zip(digests, sizes, strict=True)
    targets = iter(texts[count:-1])
    return Manifest(tuple(_entries(kinds, texts, contents, targets)))


def is_snapshot_id(text: str) -> bool:
    """True when the text has the form of a snapshot's id."""
    return len(text) == 2 * DIGEST_BYTES and set(text) <= set("0123456789abcdef")


def _entries(
    kinds: bytes, paths: list[str], contents: Iterator[tuple[bytes, int]], targets: Iterator[str]
) -> Iterator[FileEntry]:
    for kind, path in zip(kinds, paths, strict=False):
        if kind == _LINK:
            yield FileEntry(path, symlink_target=next(targets))
        else:
            digest, size = next(contents)
            yield FileEntry(path, digest, size, kind == _EXECUTABLE)


def _path_of(entry: FileEntry) -> str:
    return entry.path


def _kind(entry: FileEntry) -> int:
    return _LINK if entry.symlink_target else _EXECUTABLE if entry.executable else _FILE
