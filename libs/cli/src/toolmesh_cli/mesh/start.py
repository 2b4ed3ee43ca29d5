"""Brings a mesh up."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.first_call import until_first_call
from toolmesh_cli.mesh.folder import DEFAULT_PORT, MeshFolder, MeshState, gateway_url
from toolmesh_cli.mesh.leftovers import end_leftovers
from toolmesh_cli.mesh.programs import (
    GATEWAY,
    Program,
    find_services,
    mesh_environment,
    programs_of,
)
from toolmesh_cli.mesh.stop import clear_run_folder, stop_mesh
from toolmesh_cli.mesh.supervisor_client import Supervisor
from toolmesh_cli.mesh.supervisor_config import CONFIG_FILE, render_config
from toolmesh_cli.mesh.watch import Watch, exits_so_far

_SECONDS_BETWEEN_LOOKS = 0.1
_LOG_LINES_SHOWN = 12


@dataclass(frozen=True)
class Plan:
    """What is to be started.

    Attributes:
        root: the checkout.
        address: the IP address that the gateway listens on.
        port: its TCP port; None: 8080, or whichever a mesh that is up already has.
        timeout_seconds: how long all of it may take.
    """

    root: Path
    folder: MeshFolder
    address: str
    port: int | None
    timeout_seconds: float
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the gateway will answer."""
        return gateway_url(self.address, self.tcp_port)

    @property
    def tcp_port(self) -> int:
        """The TCP port to listen on."""
        return DEFAULT_PORT if self.port is None else self.port


@dataclass(frozen=True)
class Outcome:
    """What `start_mesh` did.

    Attributes:
        already_up: True when supervisord was running; then only what had ended was started.
        started: the processes that were started.
        ended_leftovers: how many processes of a killed mesh were ended first.
        not_running: services of the checkout that were added after the mesh was started.
        key_is_taken: False when the administrator's key is refused: it was revoked or removed.
    """

    url: str
    already_up: bool
    started: tuple[str, ...]
    seconds: float
    ended_leftovers: int = 0
    not_running: tuple[str, ...] = ()
    key_is_taken: bool = True


async def start_mesh(plan: Plan, *, on_ready: Callable[[str, float], None]) -> Outcome:
    """Starts every process and waits until all answer their health checks.

    Call it with the folder locked. When anything fails, all that was started is stopped again.

    Args:
        on_ready: told the name of each process that is ready and how many seconds it took.

    Raises:
        CliError: the port is taken, the mesh runs at another one, or a process does not start.
    """
    begun, begun_at = time.monotonic(), time.time()
    supervisor = Supervisor(plan.folder)
    if await supervisor.pid() is not None:
        state = plan.folder.state()
        if state is not None:
            return await _mend(plan, state.url, on_ready, begun)
        # A start that was killed half-way: nobody knows how far it came.
        await stop_mesh(plan.folder)
    plan.folder.prepare()
    ended = await end_leftovers(plan.folder)
    clear_run_folder(plan.folder)
    _check_port(plan.address, plan.tcp_port)
    programs = programs_of(plan.root)
    environment = mesh_environment(
        plan.folder, environ=plan.environ, address=plan.address, port=plan.tcp_port
    )
    _prepare_data(plan.folder, programs)
    try:
        key_is_taken = await _start_all(plan, programs, environment, on_ready, begun)
    except BaseException:
        # Also when the user interrupts: half a mesh is of no use.
        await asyncio.shield(stop_mesh(plan.folder))
        raise
    plan.folder.write_state(MeshState(url=plan.url, started_at=begun_at))
    return Outcome(
        url=plan.url,
        already_up=False,
        started=tuple(program.name for program in programs),
        seconds=time.monotonic() - begun,
        ended_leftovers=ended,
        key_is_taken=key_is_taken,
    )


async def _start_all(
    plan: Plan,
    programs: Sequence[Program],
    environment: Mapping[str, str],
    on_ready: Callable[[str, float], None],
    begun: float,
) -> bool:
    config = render_config(
        plan.folder, programs, grace_seconds=float(environment["TOOLMESH_GRACE_SECONDS"])
    )
    (plan.folder.run / CONFIG_FILE).write_text(config)
    await _run(plan.folder, environment, "-m", "supervisor.supervisord", "-c", CONFIG_FILE)
    supervisor = Supervisor(plan.folder)
    await _until_answering(supervisor, plan)
    rendering = asyncio.create_task(
        _run(plan.folder, environment, "-m", "toolmesh_gateway", "render", "--out", "envoy.yaml")
    )
    try:
        watch = Watch(
            plan.folder,
            url=plan.url,
            begun=begun,
            timeout_seconds=plan.timeout_seconds,
            on_ready=on_ready,
            exits_before={},
        )
        # The gateway fetches keys from identity as it starts: it is ready sooner when it is last.
        await watch.until_ready([program.name for program in programs if program.name != GATEWAY])
        await rendering
    finally:
        rendering.cancel()
    processes = await supervisor.processes()
    await supervisor.start(next(p for p in processes if p.name == GATEWAY))
    await watch.until_ready([GATEWAY])
    return await until_first_call(plan.folder, plan.url)


async def _mend(
    plan: Plan, url: str, on_ready: Callable[[str, float], None], begun: float
) -> Outcome:
    """Starts what has ended for good in a mesh that runs, and waits until all of it answers."""
    if plan.port is not None and url != plan.url:
        raise CliError(
            f"the mesh is already up at {url}, not at {plan.url}",
            exit_code=ExitCode.INVALID,
            hint="run `toolmesh down` first, or set TOOLMESH_DATA for a second mesh",
        )
    supervisor = Supervisor(plan.folder)
    processes = await supervisor.processes()
    ended = [p for p in processes if p.state in ("fatal", "stopped", "backoff")]
    for process in ended:
        await supervisor.start(process)
    watch = Watch(
        plan.folder,
        url=url,
        begun=begun,
        timeout_seconds=plan.timeout_seconds,
        on_ready=on_ready,
        exits_before=exits_so_far(plan.folder),
    )
    names = [process.name for process in processes]
    started = tuple(process.name for process in ended)
    await watch.until_ready(names, only=started)
    return Outcome(
        url=url,
        already_up=True,
        started=started,
        seconds=time.monotonic() - begun,
        not_running=tuple(sorted(set(find_services(plan.root)) - set(names))),
    )


async def _until_answering(supervisor: Supervisor, plan: Plan) -> None:
    try:
        async with asyncio.timeout(plan.timeout_seconds):
            while await supervisor.pid() is None:  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS / 2)
    except TimeoutError:
        raise CliError(
            "supervisord does not answer", hint=f"its log is {plan.folder.supervisor_log}"
        ) from None


async def _run(folder: MeshFolder, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs our Python in the run folder and waits for its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder.run,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode:
        raise CliError(
            f"{arguments[1]} failed with exit code {process.returncode}",
            details=output.decode(errors="replace").strip().splitlines()[-_LOG_LINES_SHOWN:],
        )


def _check_port(address: str, port: int) -> None:
    """Finds out early what Envoy would find out late, or never: it shares its port with others."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CliError(
                f"port {port} on {address} cannot be used: {reason}{_holder(port)}",
                exit_code=ExitCode.UNAVAILABLE,
                hint=f"stop what uses it, or choose another: toolmesh up --port {port % 65535 + 1}",
            ) from error


def _holder(port: int) -> str:
    import psutil

    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            held = connection.laddr and connection.laddr.port == port
            if held and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f" (by {psutil.Process(connection.pid).name()}, pid {connection.pid})"
    return ""


def _prepare_data(folder: MeshFolder, programs: Sequence[Program]) -> None:
    for name in (*(program.name for program in programs), "blobs"):
        (folder.data / name).mkdir(mode=0o700, exist_ok=True)
    os.chmod(folder.data, 0o700)
