"""`toolmesh logs`: shows the logs of the mesh on this machine."""

import asyncio
import os
from collections.abc import Sequence

import click

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder, require_local_mesh
from toolmesh_cli.mesh.log_files import last_lines, log_names, new_lines
from toolmesh_cli.mesh.log_lines import LogLine

_COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_cyan", "bright_magenta")


@click.command("logs")
@click.argument("processes", nargs=-1, metavar="[PROCESS]...")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is written, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="How many of the last lines to show.",
)
@click.option("--raw", is_flag=True, help="Show the lines as they were written.")
def command(processes: tuple[str, ...], follow: bool, lines: int, raw: bool) -> None:
    """Show the logs of the mesh on this machine: those of all processes by time, or of some.

    `supervisord` is the log of starts, exits and restarts; `gateway` has a line for each call.
    """
    folder = require_local_mesh(os.environ)
    names = processes or log_names(folder)
    if not names:
        raise CliError(
            "there are no logs", exit_code=ExitCode.NOT_FOUND, hint="start the mesh with `make up`"
        )
    shown = last_lines(folder, names, lines)
    printer = _Printer(names, raw=raw)
    for line in shown:
        printer.print(line)
    if follow:
        asyncio.run(_follow(folder, names, printer))


async def _follow(folder: MeshFolder, names: Sequence[str], printer: "_Printer") -> None:
    async for line in new_lines(folder, names):
        printer.print(line)


class _Printer:
    def __init__(self, names: Sequence[str], *, raw: bool) -> None:
        self._raw = raw
        width = max(map(len, names))
        self._heads = {
            name: click.style(name.ljust(width), fg=_COLOURS[index % len(_COLOURS)])
            for index, name in enumerate(sorted(names))
        }

    def print(self, line: LogLine) -> None:
        if self._raw:
            head = "" if len(self._heads) == 1 else f"{self._heads[line.process]}  "
            click.echo(f"{head}{line.text}")
            return
        time = click.style(f"{line.time.astimezone():%H:%M:%S.%f}"[:-3], dim=True)
        click.echo(f"{time}  {self._heads[line.process]}  {line.readable()}")
