"""Manifests are kept by workspace and snapshot, up to a number of files."""

from toolmesh_workspaces.manifest import FileEntry, Manifest
from toolmesh_workspaces.manifest_cache import ManifestCache


def _manifest(name: str, count: int) -> Manifest:
    return Manifest(tuple(FileEntry(f"{name}{n}", b"1" * 32, 1) for n in range(count)))


def test_another_workspace_does_not_see_a_kept_manifest() -> None:
    """Knowing the id of another's snapshot gives nothing."""
    cache, manifest = ManifestCache(), _manifest("a", 1)
    cache.put("mine", manifest)
    assert cache.get("mine", manifest.snapshot) is manifest
    assert cache.get("theirs", manifest.snapshot) is None


def test_those_that_were_not_used_for_longest_are_dropped() -> None:
    """The bound is on files, since manifests differ in size by a factor of thousands."""
    cache = ManifestCache(max_files=10)
    old, used, new = _manifest("a", 3), _manifest("b", 3), _manifest("c", 4)
    cache.put("w", old)
    cache.put("w", used)
    cache.get("w", old.snapshot)
    cache.put("w", new)
    assert cache.get("w", used.snapshot) is None
    assert cache.get("w", old.snapshot) is old


def test_putting_again_counts_once() -> None:
    """A manifest that is put twice does not push others out."""
    cache = ManifestCache(max_files=10)
    first, second = _manifest("a", 4), _manifest("b", 4)
    for _ in range(5):
        cache.put("w", first)
    cache.put("w", second)
    assert cache.get("w", first.snapshot) is first


def test_the_last_manifest_of_a_workspace_is_its_own() -> None:
    """What a workspace's next manifest is made from is never another workspace's."""
    cache = ManifestCache()
    first, second, other = (_manifest(name, 1) for name in "abc")
    assert cache.last_of("mine") is None
    cache.put("mine", first)
    cache.put("mine", second)
    cache.put("theirs", other)
    assert cache.last_of("mine") is second
    cache.get("mine", first.snapshot)
    assert cache.last_of("mine") is first


def test_versions_share_the_entries_that_are_equal() -> None:
    """A version is what it was, and takes no memory for what did not change."""
    old = _manifest("a", 3)
    edited = FileEntry("a1", b"2" * 32, 1)
    new = Manifest((FileEntry("a0", b"1" * 32, 1), edited, FileEntry("a2", b"1" * 32, 1)))
    shared = new.sharing(old)
    assert shared.files == new.files
    assert shared.snapshot == new.snapshot
    assert [entry is known for entry, known in zip(shared.files, old.files, strict=True)] == [
        True,
        False,
        True,
    ]
