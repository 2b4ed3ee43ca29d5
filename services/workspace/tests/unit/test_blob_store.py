"""The blob store, in a folder and on a server that speaks S3: the same tests for both."""

import os
import stat
from pathlib import Path

import pytest
from blake3 import blake3

from toolmesh_serving.errors import Unavailable
from toolmesh_workspace.blob_store import BlobMissingError, BlobStore, StoredBlob
from toolmesh_workspace.blob_writer import BlobWriter

_LARGE = bytes(range(256)) * 4096


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """An empty store of each kind."""
    if request.param == "folder":
        return BlobStore.open(f"file://{tmp_path}/store")
    return BlobStore.open(request.getfixturevalue("s3_bucket"))


async def _put(store: BlobStore, workspace: str, *parts: bytes) -> bytes:
    digest = blake3(b"".join(parts)).digest()
    await store.put(workspace, digest, parts)
    return digest


async def _read(store: BlobStore, workspace: str, digest: bytes) -> bytes:
    content = await store.read(workspace, digest, piece_bytes=1 << 16)
    return b"".join([piece async for piece in content.pieces()])


@pytest.mark.parametrize(
    "parts",
    [(b"",), (b"small",), (b"in ", b"parts"), (_LARGE,) * 10],
    ids=["empty", "small", "parts", "multipart"],
)
async def test_what_was_put_is_read(store: BlobStore, parts: tuple[bytes, ...]) -> None:
    """Empty, small, and large enough to be written and read in pieces."""
    digest = await _put(store, "w", *parts)
    assert await _read(store, "w", digest) == b"".join(parts)


async def test_workspaces_share_nothing(store: BlobStore) -> None:
    """A content of one workspace is unknown in another, and in one whose id begins the same."""
    digest = await _put(store, "w-1", b"x")
    for other in ("w-2", "w", "w-11"):
        with pytest.raises(BlobMissingError):
            await store.read(other, digest, piece_bytes=1)


async def test_of_a_deleted_workspace_nothing_is_left_on_disk(tmp_path: Path) -> None:
    """Not even what a process wrote of a content when it was killed."""
    store = BlobStore.open(str(tmp_path))
    other = await _put(store, "w-1", b"x")
    _leave_half(tmp_path / "w", await _put(store, "w", b"x"))
    await store.delete_workspace("w")
    assert _files_below(tmp_path) == [f"w-1/{other.hex()[:2]}/{other.hex()}"]


async def test_what_was_begun_and_never_finished_is_deleted(tmp_path: Path) -> None:
    """And nothing else, nor of another workspace."""
    store = BlobStore.open(str(tmp_path))
    digest = await _put(store, "w", b"x")
    await store.put_manifest("w", "snapshot", b"x")
    await _put(store, "w-1", b"x")
    kept = _files_below(tmp_path)
    _leave_half(tmp_path / "w", digest)
    await store.delete_unfinished("w")
    assert _files_below(tmp_path) == kept
    await store.delete_unfinished("w-2")


def _leave_half(folder: Path, digest: bytes) -> None:
    """Leave what is left when a process is killed that writes a content."""
    (folder / digest.hex()[:2] / f"{digest.hex()}#1").write_bytes(b"the first half")


def _files_below(folder: Path) -> list[str]:
    return sorted(f"{file.relative_to(folder)}" for file in folder.rglob("*") if file.is_file())


async def test_stats_tell_what_is_there(store: BlobStore) -> None:
    """Digests that are not stored are left out, and sizes are those of the contents."""
    one, two = await _put(store, "w", b"1"), await _put(store, "w", b"22")
    found = [blob async for page in store.stats("w", [one, b"\0" * 32, two]) for blob in page]
    assert found == [StoredBlob(one, 1), StoredBlob(two, 2)]


async def test_listing_tells_contents_without_manifests(store: BlobStore) -> None:
    """Manifests lie beside the contents and are no contents."""
    digest = await _put(store, "w", b"1")
    await store.put_manifest("w", "0" * 64, b"m")
    assert [page async for page in store.list_blobs("w")] == [[StoredBlob(digest, 1)]]
    names = {each.name async for page in store.list_objects("w") for each in page}
    assert names == {digest.hex(), "0" * 64}


async def test_manifests_are_kept_by_workspace(store: BlobStore) -> None:
    """One that is not there is None."""
    await store.put_manifest("w", "0" * 64, b"m")
    assert await store.get_manifest("w", "0" * 64) == b"m"
    assert await store.get_manifest("v", "0" * 64) is None


async def test_deleting_a_workspace_leaves_nothing_of_it_and_all_of_others(
    store: BlobStore,
) -> None:
    """More objects than one page of a listing has."""
    numbers = (number.to_bytes(32, "big") for number in range(1100))
    async with BlobWriter(store, "w") as writer:
        for number in numbers:
            await writer.write(number, (b"x",))
    await store.put_manifest("w", "0" * 64, b"m")
    other = await _put(store, "w2", b"x")
    await store.delete_workspace("w")
    assert [page async for page in store.list_objects("w")] in ([], [[]])
    assert await _read(store, "w2", other) == b"x"
    await store.delete_workspace("w")


async def test_deleting_what_is_gone_is_fine(store: BlobStore) -> None:
    """Two replicas may sweep the same workspace."""
    await _put(store, "w", b"1")
    await _put(store, "w", b"2")
    (objects,) = [page async for page in store.list_objects("w")]
    await store.delete_objects(objects[:1])
    await store.delete_objects(objects)
    assert [page async for page in store.list_objects("w")] in ([], [[]])


async def test_a_folder_keeps_no_empty_folders(tmp_path: Path) -> None:
    """Deleted workspaces leave nothing behind on disk."""
    store = BlobStore.open(str(tmp_path / "store"))
    await _put(store, "w", b"1")
    await store.delete_workspace("w")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_folder_that_is_made_is_its_users_alone(tmp_path: Path) -> None:
    """Whatever the umask; one that is there keeps the mode that somebody chose."""
    before = os.umask(0o022)
    try:
        BlobStore.open(str(tmp_path / "a" / "store"))
        assert stat.S_IMODE((tmp_path / "a" / "store").stat().st_mode) == 0o700
        tmp_path.chmod(0o750)
        BlobStore.open(tmp_path.as_uri())
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    finally:
        os.umask(before)


async def test_a_store_that_fails_is_unavailable(tmp_path: Path) -> None:
    """The caller may try again; what exactly failed is for the logs."""
    store = BlobStore.open(str(tmp_path / "store"))
    (tmp_path / "store/w").write_text("a file where the workspace should be")
    with pytest.raises(Unavailable):
        await _put(store, "w", b"1")


@pytest.mark.parametrize("location", ["gs://bucket", "http://host/x", "s4://x"])
def test_other_kinds_of_stores_are_refused_at_the_start(location: str) -> None:
    """A typing error in a setting must not look like an empty store."""
    with pytest.raises(ValueError, match="a blob store is a folder or s3://bucket/prefix"):
        BlobStore.open(location)
