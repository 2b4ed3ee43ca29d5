"""`toolmesh status`: shows how the mesh on this machine is."""

import asyncio
import os
import time
from datetime import datetime

import click
import orjson

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.condition import Condition, ProcessCondition, read_condition
from toolmesh_cli.mesh.folder import require_local_mesh
from toolmesh_cli.tables import print_table
from toolmesh_cli.wording import number, size, span

_COLUMNS = ("process", "state", "health", "pid", "uptime", "restarts", "memory")
_RIGHT = ("pid", "restarts", "memory")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show every process of the mesh on this machine: health, restarts, memory.

    Health is what the gateway's /v1/status says of a service, and a check of our own for the store
    and the gateway. Exits with 6 when the mesh is not up or not all of it is well.
    """
    folder = require_local_mesh(os.environ)
    condition = asyncio.run(read_condition(folder))
    if condition is None:
        raise CliError(
            "the mesh on this machine is not up",
            exit_code=ExitCode.UNAVAILABLE,
            hint="start it with `make up` (or `toolmesh up`)",
        )
    if as_json:
        click.echo(orjson.dumps(_as_data(condition), option=orjson.OPT_INDENT_2))
    else:
        _print(condition)
    if not condition.is_well:
        context.exit(ExitCode.UNAVAILABLE)


def _print(condition: Condition) -> None:
    click.echo(f"{condition.url}, up for {span(time.time() - condition.started_at)}\n")
    rows = [_row(process) for process in condition.processes]
    memory = condition.memory
    rows.append(["total", "", "", "", "", "", size(memory.size_bytes)])
    print_table(_COLUMNS, rows, right=_RIGHT)
    if memory.proportional:
        kind = "proportional set size: a page that processes share counts once"
    else:
        kind = "resident set size: a page that processes share counts in each"
    click.echo(f"\nMemory in use: {size(memory.size_bytes)} ({kind}).")
    for process in condition.processes:
        if process.last_exit:
            ago = span(time.time() - process.last_exit_time)
            times = number(process.restarts, "restart")
            wait = process.paused_until - time.time()
            again = f" Starts again in {span(max(wait, 0.1))}." if process.paused_until else ""
            ended = f"last ended {ago} ago, {process.last_exit}"
            click.echo(f"{process.name}: {times}; {ended}.{again}")
    if condition.note:
        click.echo(condition.note)


def _row(process: ProcessCondition) -> list[str]:
    return [
        process.name,
        "waiting" if process.paused_until else process.state,
        process.health,
        str(process.pid or "-"),
        span(time.time() - process.started_at) if process.pid else "-",
        str(process.restarts),
        size(process.memory.size_bytes) if process.memory else "-",
    ]


def _as_data(condition: Condition) -> dict[str, object]:
    return {
        "url": condition.url,
        "well": condition.is_well,
        "startTime": _time(condition.started_at),
        "memoryBytes": condition.memory.size_bytes,
        "memoryKind": "pss" if condition.memory.proportional else "rss",
        "note": condition.note,
        "processes": [
            {
                "name": process.name,
                "state": process.state,
                "health": process.health,
                "pid": process.pid,
                "startTime": _time(process.started_at) if process.pid else None,
                "restarts": process.restarts,
                "lastExit": process.last_exit,
                "lastExitTime": _time(process.last_exit_time) if process.last_exit else None,
                "restartTime": _time(process.paused_until) if process.paused_until else None,
                "memoryBytes": process.memory.size_bytes if process.memory else 0,
            }
            for process in condition.processes
        ],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")
