"""The canonical encoding and the snapshot digest."""

import pytest
from blake3 import blake3

from toolmesh_workspaces.manifest import FileEntry, Manifest, decode, is_snapshot_id

_ONE, _TWO = blake3(b"one").digest(), blake3(b"two").digest()
_FILES = (
    FileEntry("a.py", _ONE, 3),
    FileEntry("bin/run", _TWO, 3, executable=True),
    FileEntry("link", symlink_target="bin/run"),
    FileEntry("ä/日本.txt", _ONE, 3),
)


def test_decoding_gives_back_what_was_encoded() -> None:
    """Every kind of entry survives the encoding, names beyond ASCII included."""
    assert decode(Manifest(_FILES).encode()) == Manifest(_FILES)


def test_an_empty_manifest_can_be_encoded() -> None:
    """A snapshot may have no files."""
    assert decode(Manifest(()).encode()) == Manifest(())


def test_the_digest_is_the_blake3_of_the_documented_bytes() -> None:
    """The encoding is a contract with other implementations, so it is written out here."""
    manifest = Manifest(
        (FileEntry("a", _ONE, 3, executable=True), FileEntry("b", symlink_target="a"))
    )
    documented = (
        b"TMSNAP1\n"
        + (2).to_bytes(8, "little")
        + b"\x01\x02"
        + (3).to_bytes(8, "little")
        + _ONE
        + b"a\0b\0"
        + b"a\0"
    )
    assert manifest.encode() == documented
    assert manifest.snapshot == blake3(documented).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        (FileEntry("a.py", _TWO, 3),),
        (FileEntry("a.py", _ONE, 4),),
        (FileEntry("a.pyc", _ONE, 3),),
        (FileEntry("a.py", _ONE, 3, executable=True),),
        (FileEntry("a.py", symlink_target="x"),),
        (),
    ],
)
def test_any_difference_changes_the_snapshot(other: tuple[FileEntry, ...]) -> None:
    """Content, size, path, mode and kind all count."""
    assert Manifest(other).snapshot != Manifest((FileEntry("a.py", _ONE, 3),)).snapshot


@pytest.mark.parametrize("cut", [4, 12, 20, 40, 80, 150])
def test_bytes_that_are_cut_off_are_refused(cut: int) -> None:
    """Half a manifest is not read as a smaller one."""
    with pytest.raises(ValueError, match=r"manifest|zip|utf|array|bytes"):
        decode(Manifest(_FILES).encode()[:cut])


def test_bytes_too_many_are_refused() -> None:
    """A manifest ends where its columns end."""
    with pytest.raises(ValueError, match="bytes too many"):
        decode(Manifest(_FILES).encode() + b"x")


def test_files_are_found_by_their_exact_path() -> None:
    """Finding takes no prefix and no folder for a file."""
    manifest = Manifest(_FILES)
    assert manifest.find("bin/run") == _FILES[1]
    assert manifest.find("bin") is None
    assert manifest.find("zzz") is None


def test_contents_are_listed_once_and_links_have_none() -> None:
    """Two files of one content make one blob."""
    manifest = Manifest(_FILES)
    assert manifest.contents == {_ONE: 3, _TWO: 3}
    assert manifest.size_bytes == 9


@pytest.mark.parametrize(
    ("text", "good"),
    [("0" * 64, True), ("F" * 64, False), ("0" * 63, False), ("../" + "0" * 61, False)],
)
def test_snapshot_ids_are_64_small_hex_digits(text: str, good: bool) -> None:
    """Ids become part of a path in the store, so nothing else passes."""
    assert is_snapshot_id(text) is good
