"""Makes a manifest from entries that nobody vouches for."""

from blake3 import blake3

from toolmesh_workspaces.limits import DEFAULT_LIMITS, Limits
from toolmesh_workspaces.links import LinkFault, check_links
from toolmesh_workspaces.manifest import DIGEST_BYTES, FileEntry, Manifest
from toolmesh_workspaces.paths import path_fault, target_fault
from toolmesh_workspaces.refusals import ManifestError, Refusal

EMPTY_DIGEST = blake3(b"").digest()


class ManifestBuilder:
    """Takes the entries of a manifest one by one and refuses the first that breaks a rule.

    Entries come sorted by path. A manifest that is too large is refused with the entry that is one
    too many, so what is held never passes the limits.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._files: list[FileEntry] = []
        self._last = b""
        self._paths: set[str] = set()
        self._folder = ""
        self._folder_count = 0
        self._sizes: dict[bytes, int] = {EMPTY_DIGEST: 0}
        self._links: dict[str, tuple[str, str]] = {}
        self._total_bytes = 0
        self._text_bytes = 0
        self._target_bytes = 0

    def __len__(self) -> int:
        return len(self._files)

    def add(self, entry: FileEntry, *, field: str | None = None) -> None:
        """Add the next entry; `field` names it in errors and defaults to `files[<index>]`.

        It raises ManifestError when the entry breaks a rule or passes a limit.
        """
        place = _Place(field, len(self._files))
        if len(self._files) >= self._limits.files:
            raise ManifestError(
                Refusal.TOO_LARGE,
                field=str(place),
                description=f"a snapshot may have {self._limits.files} files at most",
            )
        self._check_path(entry.path, place)
        if entry.symlink_target:
            self._check_link(entry, place)
        else:
            self._check_content(entry, place)
        self._files.append(entry)

    def build(self) -> Manifest:
        """Return the manifest of all entries; it raises ManifestError for a link that leaves.

        With many links it takes up to a few seconds: call it off the event loop.
        """
        targets = {path: target for path, (target, _) in self._links.items()}
        try:
            check_links(targets, self._limits)
        except LinkFault as fault:
            raise ManifestError(
                Refusal.FILE_TYPE,
                field=f"{self._links[fault.path][1]}.symlink_target",
                description=fault.description,
            ) from None
        return Manifest(tuple(self._files))

    def _check_path(self, path: str, place: "_Place") -> None:
        try:
            encoded = path.encode()
        except UnicodeEncodeError:
            raise _path_error(place, "is not UTF-8") from None
        self._count_text(len(encoded), place)
        fault = path_fault(path, encoded, self._limits)
        if fault is not None:
            raise _path_error(place, fault)
        if encoded <= self._last:
            same = encoded == self._last
            raise _path_error(place, "appears twice" if same else "is not sorted")
        self._last = encoded
        folder = path.rpartition("/")[0]
        if folder != self._folder:
            self._check_folders(path, place)
            self._folder = folder
        self._paths.add(path)

    def _check_folders(self, path: str, place: "_Place") -> None:
        last = self._files[-1].path if self._files else ""
        # What sorts between a path and what lies under it begins with that path. So a file that is
        # a folder of this entry is what this one and the last have in common: a shorter one would
        # have been a folder of the last one, too. And the folders after that are new.
        common = _common_length(last, path)
        if path[common] == "/" and path[:common] in self._paths:
            raise _path_error(place, "lies under a path that is itself a file or a link")
        self._folder_count += path.count("/", common)
        if self._folder_count > self._limits.folders:
            raise ManifestError(
                Refusal.TOO_LARGE,
                field=str(place),
                description=f"a snapshot may have {self._limits.folders} folders at most",
            )

    def _check_link(self, entry: FileEntry, place: "_Place") -> None:
        if entry.digest or entry.size_bytes or entry.executable:
            raise ManifestError(
                Refusal.FILE_TYPE,
                field=str(place),
                description="a link has no digest, no size and no executable mark",
            )
        field = f"{place}.symlink_target"
        try:
            encoded = entry.symlink_target.encode()
        except UnicodeEncodeError:
            raise ManifestError(
                Refusal.FILE_TYPE, field=field, description="is not UTF-8"
            ) from None
        fault = target_fault(entry.symlink_target, encoded, self._limits)
        if fault is not None:
            raise ManifestError(Refusal.FILE_TYPE, field=field, description=fault)
        self._count_text(len(encoded), place)
        self._target_bytes += len(encoded)
        if self._target_bytes > self._limits.target_bytes:
            raise ManifestError(
                Refusal.TOO_LARGE,
                field=field,
                description=f"all link targets are longer than {self._limits.target_bytes} bytes",
            )
        self._links[entry.path] = (entry.symlink_target, str(place))

    def _check_content(self, entry: FileEntry, place: "_Place") -> None:
        if len(entry.digest) != DIGEST_BYTES:
            raise ManifestError(
                Refusal.DIGEST,
                field=f"{place}.digest",
                description=f"has {len(entry.digest)} bytes, not {DIGEST_BYTES}",
            )
        if entry.size_bytes < 0:
            raise ManifestError(
                Refusal.DIGEST, field=f"{place}.size_bytes", description="is negative"
            )
        if entry.size_bytes > self._limits.file_bytes:
            raise _size_error(place, f"a file may have {self._limits.file_bytes} bytes at most")
        self._total_bytes += entry.size_bytes
        if self._total_bytes > self._limits.snapshot_bytes:
            most = self._limits.snapshot_bytes
            raise _size_error(place, f"all files together may have {most} bytes at most")
        if self._sizes.setdefault(entry.digest, entry.size_bytes) != entry.size_bytes:
            raise ManifestError(
                Refusal.DIGEST,
                field=f"{place}.size_bytes",
                description="is not the size that this digest has elsewhere",
            )

    def _count_text(self, length: int, place: "_Place") -> None:
        self._text_bytes += length
        if self._text_bytes > self._limits.manifest_bytes:
            raise ManifestError(
                Refusal.TOO_LARGE,
                field=str(place),
                description=f"all paths are longer than {self._limits.manifest_bytes} bytes",
            )


class _Place:
    """An entry's name in errors, written out only when there is one."""

    __slots__ = ("_field", "_index")

    def __init__(self, field: str | None, index: int) -> None:
        self._field = field
        self._index = index

    def __str__(self) -> str:
        return self._field if self._field is not None else f"files[{self._index}]"


def _common_length(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _path_error(place: _Place, description: str) -> ManifestError:
    return ManifestError(Refusal.PATH, field=f"{place}.path", description=description)


def _size_error(place: _Place, description: str) -> ManifestError:
    return ManifestError(Refusal.TOO_LARGE, field=f"{place}.size_bytes", description=description)
