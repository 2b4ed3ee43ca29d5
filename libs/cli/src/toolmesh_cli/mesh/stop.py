"""Takes a mesh down."""

from dataclasses import dataclass

import psutil

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.leftovers import end_leftovers, until_gone
from toolmesh_cli.mesh.supervisor_client import Supervisor

# Three groups, each within its own grace, and some for the store to write its file.
_SECONDS_TO_STOP = 60.0


@dataclass(frozen=True)
class Stopped:
    """What `stop_mesh` did.

    Attributes:
        was_up: True when supervisord was running.
        ended_leftovers: how many processes were left and were ended one by one.
    """

    was_up: bool
    ended_leftovers: int


async def stop_mesh(folder: MeshFolder) -> Stopped:
    """Stops every process of the mesh, also those that no supervisord looks after any more.

    Services finish their running calls first. Safe to call when nothing runs. Call it with the
    folder locked.
    """
    supervisor = Supervisor(folder)
    pid = await supervisor.pid()
    if pid is not None:
        await _shut_down(supervisor, pid)
    ended = await end_leftovers(folder)
    clear_run_folder(folder)
    folder.write_state(None)
    return Stopped(was_up=pid is not None, ended_leftovers=ended)


def clear_run_folder(folder: MeshFolder) -> None:
    """Removes the sockets and pid files of processes that are gone."""
    for pattern in ("*.sock", "*.sock.*", "*.pid"):
        for file in folder.run.glob(pattern):
            file.unlink(missing_ok=True)


async def _shut_down(supervisor: Supervisor, pid: int) -> None:
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    await supervisor.shut_down()
    await until_gone([process], seconds=_SECONDS_TO_STOP)
