"""Measures what a call costs at every door: `python -m evals.gateway`. See README.md."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import orjson

from evals.gateway import doors
from evals.gateway.load import require_h2load
from evals.gateway.machine import Machine, as_lines, versions
from evals.gateway.measure import Plan, measure
from evals.gateway.mesh import open_mesh
from evals.gateway.peers_environment import install_peers, open_peer
from evals.gateway.report import as_json, goals, table
from evals.goals import exit_code

_PACED = (doors.GRPC_DIRECT, doors.GRPC, doors.HTTP_JSON, doors.MCP)


async def benchmark(options: argparse.Namespace) -> bool:
    """Runs everything and prints the report; returns whether all goals were met."""
    require_h2load()
    _tell("installing the peers, starting the mesh")
    await install_peers()
    async with AsyncExitStack() as stack:
        # In the system's own folder for such: a Unix socket's path has at most 107 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolmesh-")))
        mesh = await stack.enter_async_context(open_mesh(folder))
        fastapi, fastapi_port = await stack.enter_async_context(open_peer("fastapi", mesh))
        fastmcp, fastmcp_port = await stack.enter_async_context(open_peer("fastmcp", mesh))
        shown = [
            *await doors.mesh_doors(mesh),
            await doors.fastapi_door(mesh, fastapi, fastapi_port),
            await doors.fastmcp_door(mesh, fastmcp, fastmcp_port),
        ]
        # What is compared is measured one right after the other.
        fast = sorted(shown, key=lambda door: doors.MEASURED_IN_ORDER.index(door.key))
        children = [*mesh.children.values(), fastapi, fastmcp]
        plan = Plan(
            rounds=options.rounds,
            seconds=options.seconds,
            rate=options.rate,
            logs=[child.log for child in children],
        )
        machine = Machine([mesh.valkey_pid, *(child.pid for child in children)])
        paced = [door for door in shown if door.key in _PACED]
        measured = await measure(plan, fast=fast, paced=paced, tell=_tell)
        described = machine.describe() | {"versions": await versions()}
    if options.json:
        print(orjson.dumps(as_json(measured, plan, described), option=orjson.OPT_INDENT_2).decode())
    else:
        print(f"\n{as_lines(described)}\n\n{table(measured, shown, plan)}")
    return all(goal.met for goal in goals(measured))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-gateway", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=3, help="how long a door is measured in a round"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=500, help="calls a second of the paced part")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--strict", action="store_true", help="exit with 2 when a goal is not met")
    options = parser.parse_args(arguments)
    return exit_code(benchmark(options), strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
