"""Which mesh is called, and with which credential."""

import time
from pathlib import Path

import pytest

from toolmesh_cli.connection import Session, Target
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder, MeshState


@pytest.mark.parametrize(
    ("url", "address", "secure"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://mesh.example.com/", "mesh.example.com:80", False),
        ("https://mesh.example.com", "mesh.example.com:443", True),
        ("http://[::1]:9", "[::1]:9", False),
    ],
)
def test_urls_are_targets(url: str, address: str, secure: bool) -> None:
    """The scheme decides on TLS and on the port that is not stated."""
    target = Target.parse(url)
    assert (target.address, target.secure) == (address, secure)


@pytest.mark.parametrize(
    "url", ["", "mesh", "ftp://a", "http://", "http://a:b", "http://a/path", "http://a?b=c"]
)
def test_other_urls_are_refused(url: str) -> None:
    """A path or another scheme cannot be called by gRPC."""
    with pytest.raises(CliError) as caught:
        Target.parse(url)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """A mesh that says that it runs at port 1."""
    folder = MeshFolder(tmp_path / "mesh")
    folder.prepare()
    folder.admin_key_file.write_text("tmk_admin_s\n")
    folder.write_state(MeshState(url="http://127.0.0.1:1", started_at=time.time()))
    return folder


def test_the_local_mesh_is_the_default(mesh: MeshFolder) -> None:
    """Without any setting the mesh on this machine is called by its administrator."""
    session = Session(environ={"TOOLMESH_DATA": str(mesh.path)})
    assert session.target().url == "http://127.0.0.1:1"
    assert session.credential().value == "tmk_admin_s"
    assert session.credential().is_api_key


def test_the_order_of_credentials(mesh: MeshFolder, tmp_path: Path) -> None:
    """The option wins over a token, that over a key, that over a key file."""
    file = tmp_path / "key"
    file.write_text("tmk_file_s")
    environ = {"TOOLMESH_DATA": str(mesh.path), "TOOLMESH_API_KEY_FILE": str(file)}
    assert Session(environ=environ).credential().value == "tmk_file_s"
    environ["TOOLMESH_API_KEY"] = "tmk_env_s"
    assert Session(environ=environ).credential().value == "tmk_env_s"
    environ["TOOLMESH_TOKEN"] = "ey.token"
    assert Session(environ=environ).credential().value == "ey.token"
    assert Session(environ=environ, api_key_file=file).credential().value == "tmk_file_s"


@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_local_key_goes_to_no_other_mesh(mesh: MeshFolder, way: str) -> None:
    """The administrator's key of this machine is not sent to another address."""
    environ = {"TOOLMESH_DATA": str(mesh.path)}
    other = "https://other.example.com"
    if way == "variable":
        environ["TOOLMESH_URL"] = other
    session = Session(url=other if way == "option" else None, environ=environ)
    with pytest.raises(CliError, match="no credential") as caught:
        session.credential()
    assert caught.value.exit_code == ExitCode.DENIED


def test_a_mesh_that_is_down_is_said_to_be_down(tmp_path: Path) -> None:
    """Without a state there is no key to look for: the mesh is not running."""
    session = Session(environ={"TOOLMESH_DATA": str(tmp_path)})
    with pytest.raises(CliError, match="not running") as caught:
        session.credential()
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_key_file_that_holds_no_key(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or binary file is an error that names the file."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CliError, match="key") as caught:
        Session(api_key_file=file, environ={}).credential()
    assert caught.value.exit_code == ExitCode.DENIED


def test_the_credential_is_not_in_its_repr(mesh: MeshFolder) -> None:
    """A secret does not reach a traceback."""
    credential = Session(environ={"TOOLMESH_DATA": str(mesh.path)}).credential()
    assert "tmk_admin" not in repr(credential)
