"""Remembers the digest of every file that was read, so that an unchanged file is not read again.

A file counts as unchanged when its size, mtime, ctime and inode are what they were. As in git's
index (its `racy-git` note), that is not enough for a file that was written just before it was
read: a second write in the same tick of the clock could leave all four as they are. Such a file is
not remembered, and is read once more the next time. ctime is what is looked at for that, since a
program cannot set it back.
"""

import os
import sys
import tempfile
from array import array
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from toolmesh_workspaces.manifest import DIGEST_BYTES

# The layout is private to this machine and user: byte order and inode width need no care, and a
# file of another version or of half a write is not read at all.
_MAGIC = b"TMSTAT1\n" if sys.byteorder == "little" else b"TMSTAT1B"
_COLUMNS = 4
_TICK_NS = 100_000_000
_COARSE_TICK_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000
_UNUSED_SECONDS = 60 * 86_400
# Inodes of some file systems and times in other centuries need the 64th bit, which is no loss.
_COLUMN_BITS = 2**63 - 1

Stamp = tuple[int, int, int, int]
"""Size, mtime_ns, ctime_ns and inode."""


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what tells an unchanged file."""
    return (
        status.st_size,
        status.st_mtime_ns & _COLUMN_BITS,
        status.st_ctime_ns & _COLUMN_BITS,
        status.st_ino & _COLUMN_BITS,
    )


def is_settled(stamp: Stamp, scan_start_ns: int) -> bool:
    """True when a later write must show in the stamp.

    File systems that keep whole seconds (FAT keeps two) get a wider margin.
    """
    changed = stamp[2]
    margin = _TICK_NS if changed % _SECOND_NS else _COARSE_TICK_NS
    return changed < scan_start_ns - margin


@dataclass
class StatCache:
    """The digests of one tree, kept in one file.

    Losing the file costs time and nothing else; no failure to read or write it is an error.
    """

    file: Path
    _known: dict[str, tuple[Stamp, bytes]] = field(
        default_factory=dict[str, tuple[Stamp, bytes]], init=False
    )

    @classmethod
    def for_tree(cls, root: Path, *, folder: Path | None = None) -> "StatCache":
        """Return the cache of the tree at that root; it is read from the user's cache folder."""
        name = blake3(os.fsencode(os.path.realpath(root))).hexdigest(16)
        cache = cls((folder or user_cache_folder()) / "trees" / name)
        cache._load()
        return cache

    def digest(self, path: str, stamp: Stamp) -> bytes | None:
        """Return the digest of an unchanged file, or None."""
        known = self._known.get(path)
        return known[1] if known is not None and known[0] == stamp else None

    def replace(self, entries: Mapping[str, tuple[Stamp, bytes]]) -> None:
        """Keep exactly these entries and write them, if they are not the ones that are there."""
        if self._known == entries:
            return
        self._known = dict(entries)
        with suppress(OSError):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_unused()
            with tempfile.NamedTemporaryFile(dir=self.file.parent, delete=False) as out:
                try:
                    out.write(self._encode())
                    out.close()
                    os.replace(out.name, self.file)
                except OSError:
                    os.unlink(out.name)

    def _load(self) -> None:
        try:
            data = self.file.read_bytes()
            # Marks it as in use, for _remove_unused.
            os.utime(self.file)
        except OSError:
            return
        count = int.from_bytes(data[8:16], sys.byteorder)
        digests_at = 16 + 8 * _COLUMNS * count
        paths_at = digests_at + DIGEST_BYTES * count
        if data[:8] != _MAGIC or len(data) < paths_at:
            return
        numbers = array("q", data[16:digests_at])
        columns = (numbers[at * count : (at + 1) * count] for at in range(_COLUMNS))
        stamps = zip(*columns, strict=True)
        digests = (data[at : at + DIGEST_BYTES] for at in range(digests_at, paths_at, DIGEST_BYTES))
        paths = os.fsdecode(data[paths_at:]).split("\0")
        if len(paths) == count + 1:
            self._known = dict(
                zip(paths[:-1], zip(stamps, digests, strict=True), strict=True)  # pyright: ignore[reportArgumentType] - zip of four columns is a Stamp
            )

    def _encode(self) -> bytes:
        stamps = [stamp for stamp, _ in self._known.values()]
        columns = (array("q", [stamp[at] for stamp in stamps]) for at in range(_COLUMNS))
        return b"".join(
            (
                _MAGIC,
                len(stamps).to_bytes(8, sys.byteorder),
                *(column.tobytes() for column in columns),
                *(digest for _, digest in self._known.values()),
                os.fsencode("".join(f"{path}\0" for path in self._known)),
            )
        )

    def _remove_unused(self) -> None:
        """Remove the caches of trees that were not scanned for two months."""
        newest = max((self._age_of(file) for file in self.file.parent.iterdir()), default=0.0)
        for file in self.file.parent.iterdir():
            if newest - self._age_of(file) > _UNUSED_SECONDS:
                file.unlink(missing_ok=True)

    @staticmethod
    def _age_of(file: Path) -> float:
        try:
            return file.stat().st_mtime
        except OSError:
            return 0.0


def user_cache_folder() -> Path:
    """Return the folder for what this user's toolmesh can lose: XDG's, or macOS's own."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given and os.path.isabs(given):
        return Path(given) / "toolmesh"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "toolmesh"
    return Path.home() / ".cache" / "toolmesh"
