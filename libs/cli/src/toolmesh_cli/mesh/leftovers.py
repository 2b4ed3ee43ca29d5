"""Finds and ends what a supervisord that was killed has left behind.

Every process of a mesh carries the mesh's folder in its environment, which its own children
inherit. Unlike recorded pids, that mark is right for processes that were restarted since, and no
foreign process can be taken for one of the mesh's.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.programs import FOLDER_VARIABLE

_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_LOOKS = 0.05


def find_leftovers(folder: MeshFolder) -> list[psutil.Process]:
    """Every process of this user that belongs to the mesh in `folder`."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in own and _mark(process) == str(folder.path)
    ]


async def end_leftovers(folder: MeshFolder) -> int:
    """Ends them, by SIGTERM and after five seconds by SIGKILL; returns how many there were."""
    found = await asyncio.to_thread(find_leftovers, folder)
    for process in found:
        with suppress(psutil.Error):
            process.terminate()
    alive = await until_gone(found, seconds=_SECONDS_TO_END)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    await until_gone(alive, seconds=_SECONDS_TO_END)
    return len(found)


async def until_gone(
    processes: Sequence[psutil.Process], *, seconds: float
) -> list[psutil.Process]:
    """Waits until all have ended; returns those that have not.

    A process that nobody has reaped counts as ended: in many containers nobody ever does.
    """
    end = time.monotonic() + seconds
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < end:
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        alive = [process for process in alive if _is_alive(process)]
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _mark(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(FOLDER_VARIABLE)
    except (psutil.Error, OSError):
        return None  # someone else's, or gone
