"""A whole mesh, started the way that its users start it, as plain values.

- `mesh_folder: Path`: the folder of a mesh that runs for all tests that ask.
- `mesh_address: str`: `host:port` of its gateway.
- `mesh_admin_key: str`: the administrator's API key.
- `toolmesh: Callable[..., CompletedProcess]`: runs the command against it.
"""

import os
import socket
import subprocess
import sysconfig
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

_COMMAND_SECONDS = 180

Toolmesh = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def mesh_address() -> str:
    """A port of its own, so that a mesh in daily use is left alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="session")
def mesh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mesh keeps what it needs."""
    return tmp_path_factory.mktemp("mesh")


@pytest.fixture(scope="session")
def toolmesh(mesh_folder: Path, mesh_address: str) -> Generator[Toolmesh]:
    """Runs the `toolmesh` command against a mesh that is up for all tests that ask."""
    environment = {
        **os.environ,
        "TOOLMESH_DATA": str(mesh_folder),
        "XDG_STATE_HOME": str(mesh_folder / "state"),
        "XDG_CACHE_HOME": str(mesh_folder / "cache"),
        # These tests make more calls a second than a person.
        "TOOLMESH_GATEWAY_RATE_LIMITS": "false",
    }
    command = Path(sysconfig.get_path("scripts")) / "toolmesh"

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [command, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )

    up = run("up", "--port", mesh_address.partition(":")[2])
    assert up.returncode == 0, up.stdout + up.stderr
    yield run
    down = run("down")
    assert down.returncode == 0, down.stdout + down.stderr


@pytest.fixture(scope="session")
def mesh_admin_key(toolmesh: Toolmesh, mesh_folder: Path) -> str:
    """The administrator's API key of the running mesh."""
    assert toolmesh("whoami").returncode == 0
    return (mesh_folder / "admin.key").read_text().strip()
