"""Where a mesh keeps what it needs: one folder, so that two meshes never meet."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from toolmesh_cli.failures import CliError, ExitCode

DEFAULT_PORT = 8080
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
# What a path to a Unix socket may have on every system, less what is appended while it is bound.
_SOCKET_PATH_BYTES = 90


@dataclass(frozen=True)
class MeshState:
    """What a running mesh wrote down about itself.

    Attributes:
        url: where its gateway answers.
        started_at: seconds since the epoch.
    """

    url: str
    started_at: float


@dataclass(frozen=True)
class MeshFolder:
    """The folder of one mesh on this machine."""

    path: Path

    @property
    def run(self) -> Path:
        """The working directory of every process: sockets are relative to it."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def data(self) -> Path:
        """What must survive a restart."""
        return self.path / "data"

    @property
    def admin_key_file(self) -> Path:
        """The administrator's API key, which identity writes at its first start."""
        return self.path / "admin.key"

    @property
    def supervisor_log(self) -> Path:
        """Starts, exits and restarts of every process."""
        return self.logs / "supervisord.log"

    def log_of(self, process: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{process}.log"

    def state(self) -> MeshState | None:
        """What the running mesh wrote down, or None."""
        try:
            return MeshState(**json.loads((self.path / "mesh.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def write_state(self, state: MeshState | None) -> None:
        """Keeps the state; None removes it."""
        file = self.path / "mesh.json"
        if state is None:
            file.unlink(missing_ok=True)
            return
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(file)

    def prepare(self) -> None:
        """Makes the folders, for their owner alone.

        Raises:
            CliError: the folder cannot be made or belongs to someone else.
        """
        for folder in (self.path, self.run, self.logs, self.data):
            self._make(folder)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise CliError(
                f"the data folder {self.path} cannot be used: {error.strerror}",
                hint="set TOOLMESH_DATA to a folder that you can write to",
            ) from error

    @contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Generator[None]:
        """Lets one `up` or `down` work on the mesh at a time; `on_wait` is called if it must wait.

        Blocks the thread while it waits, which is what a command line wants.

        Raises:
            CliError: as for `prepare`.
        """
        self._make(self.path)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def short_run(self) -> Generator[str]:
        """A short name of the run folder, good while the block runs.

        A socket's path may have about 100 bytes; Linux has a short name for every open folder.
        """
        if len(os.fsencode(self.run)) <= _SOCKET_PATH_BYTES - 20 or sys.platform != "linux":
            yield str(self.run)
            return
        descriptor = os.open(self.run, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)


def checkout_root(environ: Mapping[str, str]) -> Path | None:
    """The checkout whose services are run: `TOOLMESH_ROOT`, or the one that holds this command."""
    if given := environ.get("TOOLMESH_ROOT"):
        return Path(given).resolve()
    for candidate in (*Path(__file__).resolve().parents, *_upwards(Path.cwd())):
        if (candidate / "services").is_dir() and (candidate / "proto").is_dir():
            return candidate
    return None


def local_mesh(environ: Mapping[str, str]) -> MeshFolder | None:
    """The folder of the mesh on this machine: `TOOLMESH_DATA`, or `.toolmesh` in the checkout."""
    if given := environ.get("TOOLMESH_DATA"):
        return MeshFolder(Path(given).expanduser().resolve())
    root = checkout_root(environ)
    return MeshFolder(root / ".toolmesh") if root else None


def require_local_mesh(environ: Mapping[str, str]) -> MeshFolder:
    """Like `local_mesh`.

    Raises:
        CliError: there is no checkout and no setting.
    """
    folder = local_mesh(environ)
    if folder is None:
        raise CliError(
            "no mesh can run here: this command is not part of a checkout of Toolmesh",
            exit_code=ExitCode.USAGE,
            hint="run it inside a checkout, or set TOOLMESH_ROOT to one",
        )
    return folder


def gateway_url(address: str, port: int) -> str:
    """The URL of a gateway that listens at `address`; an any-address is reached by loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared with
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _upwards(folder: Path) -> tuple[Path, ...]:
    return (folder, *folder.parents)
