"""What a manifest is refused for, and where the fault is said to be."""

from collections.abc import Iterable, Iterator

import pytest
from blake3 import blake3

from toolmesh_workspaces.builder import ManifestBuilder
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest import FileEntry
from toolmesh_workspaces.refusals import ManifestError, Refusal

_DIGEST = blake3(b"x").digest()


def _file(path: str, *, size: int = 1, digest: bytes = _DIGEST) -> FileEntry:
    return FileEntry(path, digest, size)


def _refusal(*entries: FileEntry, limits: Limits | None = None) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        _build(entries, limits or Limits())
    return caught.value


def _build(entries: Iterable[FileEntry], limits: Limits) -> None:
    builder = ManifestBuilder(limits)
    for entry in entries:
        builder.add(entry)
    builder.build()


def test_a_good_manifest_is_built() -> None:
    """Odd names that are legal pass: dots, spaces, colons, names beyond ASCII."""
    paths = [".github/x", "...", "a b", "ab:c", "c/.gitignore", "c/d", "c-d", "日本/語"]
    builder = ManifestBuilder()
    for path in sorted(paths):
        builder.add(_file(path))
    assert [entry.path for entry in builder.build().files] == sorted(paths)


@pytest.mark.parametrize(
    ("path", "description"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("//host/share", "is absolute"),
        ("..", "has a part `..`"),
        ("../x", "has a part `..`"),
        ("a/../b", "has a part `..`"),
        ("a/..", "has a part `..`"),
        ("./a", "has a part `.`"),
        ("a//b", "has an empty part"),
        ("a/", "has an empty part"),
        ("a\\..\\b", "holds a backslash"),
        ("C:/windows", "begins with a drive letter"),
        ("c:x", "begins with a drive letter"),
        ("a\0b", "holds a NUL"),
        ("a/.git/hooks/post-checkout", "has a part `.git`"),
        (".GIT/config", "has a part `.git`"),
        ("a\udcff", "is not UTF-8"),
        ("x" * 256, "has a part longer than 255 bytes"),
        ("ä" * 128, "has a part longer than 255 bytes"),
        ("/".join(["x" * 200] * 21), "is longer than 4096 bytes"),
        ("/".join(["x"] * 129), "has more than 128 parts"),
    ],
)
def test_bad_paths_are_refused_with_the_field(path: str, description: str) -> None:
    """Each kind of path that could leave the tree or cannot be stored is told apart."""
    error = _refusal(_file(path))
    assert (error.refusal, error.field) == (Refusal.PATH, "files[0].path")
    assert description in error.description


@pytest.mark.parametrize(
    ("paths", "description"),
    [
        (["b", "a"], "is not sorted"),
        (["a", "a"], "appears twice"),
        (["a", "a/b"], "lies under a path that is itself a file or a link"),
        (["a", "a-b", "a/b/c"], "lies under a path that is itself a file or a link"),
        (["a/b", "a/b-c/d/e", "a/b/c"], "lies under a path that is itself a file or a link"),
    ],
)
def test_paths_that_contradict_each_other_are_refused(paths: list[str], description: str) -> None:
    """Order, duplicates and a folder that is a file: the later entry is at fault."""
    error = _refusal(*map(_file, paths))
    assert error.field == f"files[{len(paths) - 1}].path"
    assert error.description == description


def test_paths_are_sorted_by_their_utf8_bytes() -> None:
    """Code points beyond the basic plane sort last, unlike in UTF-16."""
    builder = ManifestBuilder()
    builder.add(_file("\uffee"))
    builder.add(_file("\U0001f600"))
    assert len(builder) == 2


@pytest.mark.parametrize(
    ("entry", "refusal", "field"),
    [
        (_file("a", digest=b""), Refusal.DIGEST, "files[0].digest"),
        (_file("a", digest=b"x" * 31), Refusal.DIGEST, "files[0].digest"),
        (_file("a", size=-1), Refusal.DIGEST, "files[0].size_bytes"),
        (_file("a", size=1001), Refusal.TOO_LARGE, "files[0].size_bytes"),
        (_file("a", size=1, digest=blake3(b"").digest()), Refusal.DIGEST, "files[0].size_bytes"),
        (FileEntry("a", _DIGEST, 1, symlink_target="b"), Refusal.FILE_TYPE, "files[0]"),
        (FileEntry("a", executable=True, symlink_target="b"), Refusal.FILE_TYPE, "files[0]"),
    ],
)
def test_bad_contents_are_refused(entry: FileEntry, refusal: Refusal, field: str) -> None:
    """Digest, size and kind have to make sense together."""
    error = _refusal(entry, limits=Limits(file_bytes=1000))
    assert (error.refusal, error.field) == (refusal, field)


def test_a_digest_has_one_size() -> None:
    """Two sizes of one content cannot both be right."""
    error = _refusal(_file("a", size=1), _file("b", size=2))
    assert (error.refusal, error.field) == (Refusal.DIGEST, "files[1].size_bytes")


@pytest.mark.parametrize(
    ("limits", "entries", "field"),
    [
        (Limits(files=1), [_file("a"), _file("b")], "files[1]"),
        (Limits(folders=3), [_file("a/b/c"), _file("a/b/d"), _file("a/c/d/e")], "files[2]"),
        (Limits(snapshot_bytes=1), [_file("a"), _file("b")], "files[1].size_bytes"),
        (Limits(manifest_bytes=10), [_file("a" * 6), _file("b" * 6)], "files[1]"),
        (
            Limits(target_bytes=10),
            [FileEntry("a", symlink_target="x" * 6), FileEntry("b", symlink_target="x" * 6)],
            "files[1].symlink_target",
        ),
    ],
)
def test_limits_are_held(limits: Limits, entries: list[FileEntry], field: str) -> None:
    """The entry that is one too many is named."""
    error = _refusal(*entries, limits=limits)
    assert (error.refusal, error.field) == (Refusal.TOO_LARGE, field)


def test_folders_are_counted_once() -> None:
    """Those that an entry has in common with the one before are not new."""
    _build(map(_file, ["a/b-d", "a/b/c", "a/b/e/f", "a/c/d"]), Limits(folders=4))


def test_a_million_entries_are_refused_as_soon_as_the_limit_is_passed() -> None:
    """What comes after the limit is not even looked at."""
    taken = 0

    def entries() -> Iterator[FileEntry]:
        nonlocal taken
        for index in range(1_000_000):
            taken += 1
            yield _file(f"{index:07}")

    with pytest.raises(ManifestError) as caught:
        _build(entries(), Limits())
    assert (caught.value.refusal, caught.value.field) == (Refusal.TOO_LARGE, "files[200000]")
    assert taken == 200_001


@pytest.mark.parametrize(
    ("target", "description"),
    [
        ("/etc/passwd", "is absolute"),
        ("..\\x", "holds a backslash"),
        ("C:x", "begins with a drive letter"),
        ("a\0", "holds a NUL"),
        ("\udcff", "is not UTF-8"),
        ("x" * 5000, "is longer than 4096 bytes"),
        ("..", "leads out of the tree"),
        ("a/../../..", "leads out of the tree"),
    ],
)
def test_bad_link_targets_are_refused_with_the_field(target: str, description: str) -> None:
    """A link must be relative and stay in the tree."""
    error = _refusal(_file("a"), FileEntry("link", symlink_target=target))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "files[1].symlink_target")
    assert description in error.description


def test_a_caller_may_name_the_field() -> None:
    """An upload names the member of the archive instead of the entry's index."""
    builder = ManifestBuilder()
    with pytest.raises(ManifestError) as caught:
        builder.add(_file("../x"), field="tar.members[7]")
    assert caught.value.field == "tar.members[7].path"
