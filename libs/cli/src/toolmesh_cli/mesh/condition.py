"""How a mesh is: what supervisord, the gateway, its log and the system say of every process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio
import psutil

from toolmesh.catalog.v1 import status_pb2, status_service_pb2, status_service_pb2_grpc
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import DEFAULT_URL, MeshFolder
from toolmesh_cli.mesh.health import HealthChecks, open_checks
from toolmesh_cli.mesh.leftovers import find_leftovers
from toolmesh_cli.mesh.memory import Memory, memory_of, total
from toolmesh_cli.mesh.programs import GATEWAY, STORE
from toolmesh_cli.mesh.restarts import History, read_histories
from toolmesh_cli.mesh.supervisor_client import Process, Supervisor

_SUPERVISOR = "supervisord"
_STATUS_SECONDS = 3.0
_SERVING = "serving"
_STATES = {
    status_pb2.SERVING_STATE_SERVING: _SERVING,
    status_pb2.SERVING_STATE_NOT_SERVING: "not serving",
    status_pb2.SERVING_STATE_UNREACHABLE: "unreachable",
}


@dataclass(frozen=True)
class ProcessCondition:
    """How one process is.

    Attributes:
        state: supervisord's word.
        health: `serving`, `not serving`, `unreachable`, or `-` where nothing is known.
        pid: 0 when it does not run.
        started_at: seconds since the epoch.
        last_exit: how it ended the last time without being asked to; empty: never.
        last_exit_time: seconds since the epoch; 0: never.
        paused_until: when it is started again, in seconds since the epoch; 0: it need not wait.
        memory: None when it does not run.
    """

    name: str
    state: str
    health: str
    pid: int
    started_at: float
    restarts: int
    last_exit: str
    last_exit_time: float
    paused_until: float
    memory: Memory | None


@dataclass(frozen=True)
class Condition:
    """How a mesh is.

    Attributes:
        note: what else there is to say, in a sentence; empty: nothing.
    """

    url: str
    started_at: float
    processes: tuple[ProcessCondition, ...]
    note: str

    @property
    def is_well(self) -> bool:
        """Whether every process runs and says that it can work."""
        return all(
            process.state == "running" and process.health in (_SERVING, "-")
            for process in self.processes
        )

    @property
    def memory(self) -> Memory:
        """The memory of all processes together."""
        return total([process.memory for process in self.processes if process.memory])


async def read_condition(folder: MeshFolder) -> Condition | None:
    """Reads how the mesh in `folder` is; None when it is not up.

    Raises:
        CliError: supervisord is gone but processes of the mesh are left.
    """
    supervisor = Supervisor(folder)
    own_pid = await supervisor.pid()
    if own_pid is None:
        _check_leftovers(folder)
        return None
    state = folder.state()
    url = state.url if state else DEFAULT_URL
    listed = await supervisor.processes()
    async with open_checks(folder, url) as checks:
        own, (services, note) = await asyncio.gather(
            _ask(checks, [p.name for p in listed if p.name in (STORE, GATEWAY)]),
            _service_states(folder, url),
        )
        missing = [p.name for p in listed if p.name not in own and p.name not in services]
        direct = await _ask(checks, missing)
    health = direct | services | own
    histories = read_histories(folder.supervisor_log)
    processes = [
        _condition(process, health.get(process.name, "-"), histories.get(process.name, History()))
        for process in sorted(listed, key=lambda process: process.name)
    ]
    processes.append(_supervisor_condition(own_pid))
    started_at = state.started_at if state else processes[-1].started_at
    return Condition(url=url, started_at=started_at, processes=tuple(processes), note=note)


async def _ask(checks: HealthChecks, names: Sequence[str]) -> dict[str, str]:
    words = await asyncio.gather(*(_word(checks, name) for name in names))
    return dict(zip(names, words, strict=True))


async def _word(checks: HealthChecks, name: str) -> str:
    return _SERVING if await checks.is_healthy(name) else "not serving"


async def _service_states(folder: MeshFolder, url: str) -> tuple[dict[str, str], str]:
    """What the gateway's status says of the services, and why it says nothing if it does not."""
    session = Session(url=url, api_key_file=folder.admin_key_file, environ={})
    try:
        async with connected(session) as channel:
            stub = status_service_pb2_grpc.StatusServiceStub(channel)
            answer = await stub.GetStatus(
                status_service_pb2.GetStatusRequest(), timeout=_STATUS_SECONDS
            )
    except grpc.aio.AioRpcError as error:
        reason = error.details() or error.code().name
        return (
            {},
            f"The gateway's /v1/status does not answer ({reason}): services were asked directly.",
        )
    except CliError as error:
        return {}, f"The gateway was not asked: {error.message}. Services were asked directly."
    return {entry.service: _STATES.get(entry.state, "-") for entry in answer.services}, ""


def _condition(process: Process, health: str, history: History) -> ProcessCondition:
    return ProcessCondition(
        name=process.name,
        state=process.state,
        health=health,
        pid=process.pid,
        started_at=process.started_at,
        restarts=history.restarts,
        last_exit=history.last_exit,
        last_exit_time=history.last_exit_time.timestamp() if history.last_exit_time else 0,
        paused_until=history.paused_until.timestamp() if history.paused_until else 0,
        memory=memory_of(process.pid) if process.pid else None,
    )


def _supervisor_condition(pid: int) -> ProcessCondition:
    return ProcessCondition(
        name=_SUPERVISOR,
        state="running",
        health="-",
        pid=pid,
        started_at=psutil.Process(pid).create_time(),
        restarts=0,
        last_exit="",
        last_exit_time=0,
        paused_until=0,
        memory=memory_of(pid, alone=True),
    )


def _check_leftovers(folder: MeshFolder) -> None:
    if left := find_leftovers(folder):
        pids = ", ".join(str(process.pid) for process in left)
        raise CliError(
            f"supervisord is gone, but {len(left)} processes of the mesh are left (pids {pids})",
            exit_code=ExitCode.UNAVAILABLE,
            hint="`toolmesh down` ends them, `toolmesh up` ends them and starts anew",
        )
