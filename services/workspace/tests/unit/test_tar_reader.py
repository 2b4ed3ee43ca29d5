"""Tar files of all kinds are read, and every harmful one is refused with the member's name."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from blake3 import blake3

from toolmesh_workspace.decompression import BombError, StreamError
from toolmesh_workspace.tar_reader import TarError, Unpacked, read_tar
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest import FileEntry
from toolmesh_workspaces.refusals import ManifestError, Refusal


def _member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, data


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return _member(name, type=kind, linkname=target)


def _tar(*members: tuple[tarfile.TarInfo, bytes], style: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _read(stream: bytes, limits: Limits | None = None) -> tuple[Unpacked, bytes]:
    contents = io.BytesIO()
    unpacked = read_tar(io.BytesIO(stream), contents, limits or Limits())
    return unpacked, contents.getvalue()


def _refusal(stream: bytes, limits: Limits | None = None) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        _read(stream, limits)
    return caught.value


def test_files_links_and_modes_are_read() -> None:
    """Each content is kept once, and found at its offset."""
    unpacked, contents = _read(
        _tar(
            _member("z/run", b"abc", mode=0o755),
            _member("z", type=tarfile.DIRTYPE),
            _member("b", b"de"),
            _member("a", b"abc"),
            _link("l", "z/run"),
        )
    )
    abc, de = blake3(b"abc").digest(), blake3(b"de").digest()
    assert unpacked.manifest.files == (
        FileEntry("a", abc, 3),
        FileEntry("b", de, 2),
        FileEntry("l", symlink_target="z/run"),
        FileEntry("z/run", abc, 3, executable=True),
    )
    assert unpacked.digests == (abc, de)
    assert contents[unpacked.offsets[1] : unpacked.offsets[1] + 2] == b"de"


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_style_of_tar_is_read(style: int) -> None:
    """Names over 100 bytes are written in three different ways."""
    name = "/".join(["a" * 60] * 3)
    unpacked, _ = _read(_tar(_member(name, b"x"), style=style))
    assert [entry.path for entry in unpacked.manifest.files] == [name]


def test_what_the_tar_program_writes_is_read(tmp_path: Path) -> None:
    """A leading `./`, folders, hard links, long names and names beyond ASCII."""
    root = tmp_path / "root"
    (root / "d" / ("x" * 200)).mkdir(parents=True)
    (root / "d" / ("x" * 200) / "日本").write_text("1")
    (root / "one").write_text("same")
    (root / "two").hardlink_to(root / "one")
    (root / "link").symlink_to("d")
    packed = subprocess.run(
        ["tar", "-C", str(root), "-cJf", "-", "."], check=True, capture_output=True
    ).stdout
    unpacked, _ = _read(packed)
    assert [entry.path for entry in unpacked.manifest.files] == [
        f"d/{'x' * 200}/日本", "link", "one", "two",
    ]  # fmt: skip
    assert unpacked.manifest.files[2].digest == unpacked.manifest.files[3].digest


def test_a_repository_inside_is_left_out() -> None:
    """Who packs a checkout packs its `.git` too."""
    unpacked, _ = _read(_tar(_member("./.git/config", b"x"), _member("./a", b"x")))
    assert [entry.path for entry in unpacked.manifest.files] == ["a"]


def test_a_member_that_comes_again_replaces_the_first() -> None:
    """As unpacking would have it: `tar -r` appends newer files."""
    unpacked, _ = _read(_tar(_member("a", b"old"), _member("a", b"newer")))
    assert [entry.size_bytes for entry in unpacked.manifest.files] == [5]


def test_an_archive_without_members_is_an_empty_snapshot() -> None:
    """It is a tar file all the same."""
    assert _read(_tar())[0].manifest.files == ()


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("/etc/passwd", "is absolute"),
        ("../x", "has a part `..`"),
        ("./../x", "has a part `..`"),
        ("a/../../x", "has a part `..`"),
        ("../.git/x", "has a part `..`"),
        ("/.git/x", "is absolute"),
        ("a\\b", "holds a backslash"),
        ("a\udcff", "is not UTF-8"),
        ("x" * 300, "has a part longer than 255 bytes"),
    ],
)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
def test_members_with_bad_paths_are_refused(name: str, description: str, kind: bytes) -> None:
    """Files, folders and links alike; the member is named by index and by name."""
    member = _member(name, type=kind, linkname="x" if kind == tarfile.SYMTYPE else "")
    error = _refusal(_tar(_member("good", b"x"), member))
    assert (error.refusal, error.field) == (Refusal.PATH, "tar.members[1].path")
    assert description in error.description
    assert repr(name.removeprefix("./")) in error.description


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=["chr", "blk", "fifo"]
)
def test_special_files_are_refused(kind: bytes) -> None:
    """A snapshot has files and links and nothing else."""
    error = _refusal(_tar(_member("dev/x", type=kind)))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "tar.members[0]")
    assert "'dev/x' is a device, a FIFO" in error.description


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "..", "d/../../x", "a\\b"], ids=["absolute", "up", "out", "backslash"]
)
def test_links_out_of_the_tree_are_refused(target: str) -> None:
    """Whether that shows at once or only from all links together."""
    error = _refusal(_tar(_member("a", b"x"), _link("l", target)))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "tar.members[1].symlink_target")


def test_a_chain_of_links_out_of_the_tree_is_refused() -> None:
    """Neither of the two links leaves alone."""
    error = _refusal(_tar(_link("d/up", ".."), _link("x", "d/up/..")))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "tar.members[1].symlink_target")


def test_a_file_behind_a_link_is_refused() -> None:
    """The classic way to write out of the tree."""
    error = _refusal(_tar(_link("d", "x"), _member("d/a", b"x")))
    assert (error.refusal, error.field) == (Refusal.PATH, "tar.members[1].path")


@pytest.mark.parametrize("target", ["missing", "/etc/passwd", "../x", "l"])
def test_hard_links_lead_to_files_before_them(target: str) -> None:
    """A hard link is the file that it names, or nothing."""
    hard = _link("h", target, tarfile.LNKTYPE)
    error = _refusal(_tar(_link("l", "a"), hard, _member("missing", b"x")))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "tar.members[1]")


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(file_bytes=10), "tar.members[1].size_bytes"),
        (Limits(snapshot_bytes=10), "tar.members[1]"),
        (Limits(files=1), "tar"),
    ],
)
def test_limits_are_held_per_file_and_in_all(limits: Limits, field: str) -> None:
    """The member that is too much is named."""
    error = _refusal(_tar(_member("a", b"x"), _member("b", b"x" * 11)), limits)
    assert (error.refusal, error.field) == (Refusal.TOO_LARGE, field)


def test_hard_links_count_as_the_files_that_they_are() -> None:
    """A thousand links to one file would be a thousand files when checked out."""
    links = [_link(f"l{n}", "a", tarfile.LNKTYPE) for n in range(3)]
    error = _refusal(_tar(_member("a", b"x" * 10), *links), Limits(snapshot_bytes=35))
    assert (error.refusal, error.field) == (Refusal.TOO_LARGE, "tar.members[3]")


def test_folders_are_bounded_too() -> None:
    """They make no entries, but they take time."""
    folders = [_member(f"d{n}", type=tarfile.DIRTYPE) for n in range(5)]
    error = _refusal(_tar(*folders), Limits(files=2))
    assert (error.refusal, error.field) == (Refusal.TOO_LARGE, "tar")


@pytest.mark.parametrize(
    "stream",
    [b"", b"x", b"{}", b"x" * 100_000, b"PK\x03\x04" + bytes(600)],
    ids=["empty", "byte", "json", "text", "zip"],
)
def test_what_is_no_tar_file_is_refused(stream: bytes) -> None:
    """An empty body included: it is no archive without members."""
    with pytest.raises(TarError, match="is not a tar file that can be read"):
        _read(stream)


@pytest.mark.parametrize("cut", [100, 512, 700, 1030])
def test_a_tar_file_that_is_cut_off_is_refused(cut: int) -> None:
    """In a header or in a content."""
    stream = _tar(_member("a", b"x" * 1000), _member("b", b"x"), style=tarfile.USTAR_FORMAT)
    with pytest.raises((TarError, StreamError)):
        _read(stream[:cut])


def test_extended_headers_are_bounded() -> None:
    """tarfile reads them whole, so one of a gigabyte would take a gigabyte."""
    member, _ = _member("a")
    member.pax_headers = {"comment": "x" * 100_000}
    with pytest.raises(TarError, match="extended header that is too long"):
        _read(_tar((member, b"")))


def test_sparse_files_are_refused() -> None:
    """Their maps are as long as their author likes."""
    with pytest.raises(TarError, match="sparse"):
        _read(_tar(_member("a", type=tarfile.GNUTYPE_SPARSE), style=tarfile.GNU_FORMAT))


def test_a_sparse_file_of_the_newer_kind_is_refused() -> None:
    """It looks like a plain file with extended headers."""
    member, data = _member("GNUSparseFile.0/a", b"1\n0\n512\n" + bytes(504) + bytes(512))
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a",
        "GNU.sparse.realsize": "512",
    }
    error = _refusal(_tar((member, data)))
    assert (error.refusal, error.field) == (Refusal.FILE_TYPE, "tar.members[0]")


def test_a_bomb_in_a_compressed_tar_is_noticed() -> None:
    """It ends with the bound, not with the last byte."""
    packed = subprocess.run(
        ["gzip"], input=_tar(_member("a", bytes(100 * 2**20))), capture_output=True, check=True
    ).stdout
    with pytest.raises(BombError, match="100 times"):
        _read(packed, Limits(file_bytes=2**30))
