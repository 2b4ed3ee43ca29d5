"""Talks to supervisord over its socket, by its own XML-RPC interface."""

import asyncio
import http.client
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from toolmesh_cli.mesh.folder import MeshFolder
from toolmesh_cli.mesh.supervisor_config import SOCKET

_FAILURES = (OSError, http.client.HTTPException, xmlrpc.client.Error)


@dataclass(frozen=True)
class Process:
    """A process as supervisord sees it.

    Attributes:
        state: supervisord's word in lower case: `running`, `starting`, `exited`, `fatal`, ...
        pid: 0 when it does not run.
        started_at: seconds since the epoch; 0 when it never ran.
    """

    name: str
    group: str
    state: str
    pid: int
    started_at: float
    spawn_error: str


class Supervisor:
    """The supervisord of one mesh."""

    def __init__(self, folder: MeshFolder) -> None:
        self._folder = folder

    async def pid(self) -> int | None:
        """supervisord's pid; None when it does not answer."""
        try:
            return int(await self._call("getPID"))
        except _FAILURES:
            return None

    async def processes(self) -> tuple[Process, ...]:
        """Every process, in the order of the configuration.

        Raises:
            OSError: supervisord does not answer.
        """
        try:
            answer = await self._call("getAllProcessInfo")
        except (http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ConnectionError(f"supervisord: {error}") from error
        return tuple(_process(info) for info in answer)

    async def start(self, process: Process) -> None:
        """Starts a process that does not run; one that waits to be started again need not go on so.

        Raises:
            xmlrpc.client.Fault: it cannot be started.
        """
        if process.state == "backoff":
            await self._call("stopProcess", f"{process.group}:{process.name}")
        await self._call("startProcess", f"{process.group}:{process.name}", False)

    async def shut_down(self) -> None:
        """Asks supervisord to stop every process and itself; returns before that is done."""
        try:
            await self._call("shutdown")
        except _FAILURES:
            return

    async def _call(self, method: str, *arguments: object) -> Any:
        return await asyncio.to_thread(self._call_blocking, method, arguments)

    def _call_blocking(self, method: str, arguments: tuple[object, ...]) -> Any:
        with self._folder.short_run() as run:
            transport = SupervisorTransport(None, None, f"unix://{run}/{SOCKET}")
            try:
                server = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
                return getattr(server.supervisor, method)(*arguments)
            finally:
                transport.close()


def _process(info: dict[str, Any]) -> Process:
    return Process(
        name=info["name"],
        group=info["group"],
        state=info["statename"].lower(),
        pid=info["pid"],
        started_at=info["start"],
        spawn_error=info["spawnerr"],
    )
