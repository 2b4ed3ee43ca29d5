"""Makes the manifest of a folder on this machine."""

import os
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from toolmesh_workspaces.limits import DEFAULT_LIMITS, Limits
from toolmesh_workspaces.links import faulty_links
from toolmesh_workspaces.listing import list_tree
from toolmesh_workspaces.manifest import FileEntry, Manifest
from toolmesh_workspaces.paths import path_fault, target_fault
from toolmesh_workspaces.refusals import ManifestError, Refusal
from toolmesh_workspaces.stat_cache import Stamp, StatCache, is_settled, stamp_of

_READ_BYTES = 1 << 20
_FILES_A_TASK = 64
# A link is not followed and a FIFO not waited for, whatever takes a file's place meanwhile.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_SPECIAL = (
    (stat.S_ISFIFO, "is a FIFO"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that was left out of the snapshot."""

    path: str
    """As it is for people: bytes that are not UTF-8 are written as `\\x..`."""
    reason: str
    """What is wrong with it, for example `is a FIFO`."""


@dataclass(frozen=True)
class Scan:
    """What a folder holds."""

    root: Path
    manifest: Manifest
    skipped: tuple[Skipped, ...]
    """What could not be taken: devices, links that leave, files that are too large, and such."""
    read_files: int
    """How many files were read; the others were known from the last scan."""
    read_bytes: int
    """How many bytes were read."""


@dataclass(frozen=True, slots=True)
class _Hashed:
    path: str
    digest: bytes = b""
    size_bytes: int = 0
    stamp: Stamp | None = None
    """None: the file changed while it was read."""
    fault: str = ""


@dataclass
class _Tree:
    """What was found under the root, sorted by kind."""

    files: dict[str, os.stat_result]
    links: dict[str, str]
    skipped: list[Skipped]


def scan_tree(
    root: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
    cache: StatCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Scan a folder. It blocks: call it with asyncio.to_thread from a running loop.

    `on_progress(done, all)` counts files whose digest is known; it is called in this thread. It
    raises OSError when the root cannot be read, and ManifestError when the tree passes the limits.
    """
    start_ns = time.time_ns()
    tree = _find(root, limits)
    entries: list[FileEntry] = []
    known: dict[str, tuple[Stamp, bytes]] = {}
    unread: list[str] = []
    for path, status in tree.files.items():
        stamp = stamp_of(status)
        digest = cache.digest(path, stamp) if cache is not None else None
        if digest is None:
            unread.append(path)
            continue
        known[path] = (stamp, digest)
        entries.append(FileEntry(path, digest, status.st_size, _executable(status)))
    if on_progress is not None:
        on_progress(len(entries), len(tree.files))
    read_bytes = 0
    for done, hashed in enumerate(_hash_all(root, unread, limits), start=len(entries) + 1):
        if on_progress is not None:
            on_progress(done, len(tree.files))
        if hashed.fault:
            tree.skipped.append(Skipped(_shown(hashed.path), hashed.fault))
            continue
        read_bytes += hashed.size_bytes
        executable = _executable(tree.files[hashed.path])
        entries.append(FileEntry(hashed.path, hashed.digest, hashed.size_bytes, executable))
        if hashed.stamp is not None and is_settled(hashed.stamp, start_ns):
            known[hashed.path] = (hashed.stamp, hashed.digest)
    if cache is not None:
        cache.replace(known)
    entries.extend(FileEntry(path, symlink_target=to) for path, to in tree.links.items())
    entries.sort(key=_path_of)
    # Every path was checked when it was found, and the service checks all of it again.
    manifest = Manifest(tuple(entries))
    if manifest.size_bytes > limits.snapshot_bytes:
        raise _too_large(str(root), f"all files have more than {limits.snapshot_bytes} bytes")
    skipped = tuple(sorted(tree.skipped, key=lambda item: item.path))
    return Scan(root, manifest, skipped, len(unread), read_bytes)


def _find(root: Path, limits: Limits) -> _Tree:
    tree = _Tree({}, {}, [])
    for path, status in list_tree(root):
        try:
            fault = path_fault(path, path.encode(), limits) or _type_fault(status, limits)
            if fault is None and stat.S_ISLNK(status.st_mode):
                target = os.readlink(f"{root}/{path}")
                fault = target_fault(target, target.encode(), limits)
                tree.links[path] = target
        except UnicodeEncodeError:
            fault = "is not UTF-8"
        except OSError as error:
            fault = error.strerror or "cannot be read"
        if fault is not None:
            tree.links.pop(path, None)
            tree.skipped.append(Skipped(_shown(path), fault))
        elif stat.S_ISREG(status.st_mode):
            tree.files[path] = status
        if len(tree.files) + len(tree.links) > limits.files:
            raise _too_large(_shown(path), f"a snapshot may have {limits.files} files at most")
    _drop_behind_links(tree)
    for path, fault in faulty_links(tree.links, limits).items():
        del tree.links[path]
        tree.skipped.append(Skipped(path, fault))
    return tree


def _drop_behind_links(tree: _Tree) -> None:
    """Drop tracked files whose folder was replaced by a link: git lists them as long as it leads to
    files of these names, but they belong to the place that the link leads to."""
    if not tree.links:
        return
    for path in list(tree.files) + list(tree.links):
        folder = path.rpartition("/")[0]
        while folder and folder not in tree.links:
            folder = folder.rpartition("/")[0]
        if folder:
            tree.files.pop(path, None)
            tree.links.pop(path, None)


def _type_fault(status: os.stat_result, limits: Limits) -> str | None:
    for matches, fault in _SPECIAL:
        if matches(status.st_mode):
            return fault
    if stat.S_ISREG(status.st_mode) and status.st_size > limits.file_bytes:
        return f"is larger than {limits.file_bytes} bytes"
    return None


def _hash_all(root: Path, paths: list[str], limits: Limits) -> Iterable[_Hashed]:
    """Hash in threads: reading and BLAKE3 release the interpreter's lock, in batches that are worth
    the hand-over."""
    if not paths:
        return
    batches = [paths[at : at + _FILES_A_TASK] for at in range(0, len(paths), _FILES_A_TASK)]

    def hash_batch(batch: list[str]) -> list[_Hashed]:
        return [_hash(root, path, limits) for path in batch]

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1), len(batches))) as pool:
        for hashed in pool.map(hash_batch, batches):
            yield from hashed


def _hash(root: Path, path: str, limits: Limits) -> _Hashed:
    try:
        descriptor = os.open(f"{root}/{path}", OPEN_FLAGS)
    except OSError as error:
        return _Hashed(path, fault=error.strerror or "cannot be read")
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return _Hashed(path, fault="changed while it was read")
        hasher = blake3()
        size = 0
        while data := os.read(descriptor, _READ_BYTES):
            hasher.update(data)
            size += len(data)
            if size > limits.file_bytes:
                return _Hashed(path, fault=f"is larger than {limits.file_bytes} bytes")
        stamp = stamp_of(before)
        steady = size == before.st_size and stamp_of(os.fstat(descriptor)) == stamp
        return _Hashed(path, hasher.digest(), size, stamp if steady else None)
    except OSError as error:
        return _Hashed(path, fault=error.strerror or "cannot be read")
    finally:
        os.close(descriptor)


def _too_large(field: str, description: str) -> ManifestError:
    return ManifestError(Refusal.TOO_LARGE, field=field, description=description)


def _executable(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IXUSR)


def _path_of(entry: FileEntry) -> str:
    return entry.path


def _shown(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
