"""`toolmesh down`: stops the mesh on this machine."""

import asyncio
import os

import click

from toolmesh_cli.mesh.folder import require_local_mesh
from toolmesh_cli.mesh.stop import stop_mesh
from toolmesh_cli.wording import number


@click.command("down")
def command() -> None:
    """Stop the mesh on this machine.

    Services finish their running calls first. What the mesh keeps stays. Calling it again is safe.
    """
    folder = require_local_mesh(os.environ)
    if not folder.path.exists():
        click.echo("The mesh is not up.")
        return
    with folder.locked(lambda: click.echo("waiting for another `up` or `down` to end", err=True)):
        stopped = asyncio.run(stop_mesh(folder))
    if stopped.ended_leftovers:
        left = number(stopped.ended_leftovers, "process", "processes")
        click.echo(f"Ended {left} that no supervisor looked after.")
    if stopped.was_up or stopped.ended_leftovers:
        click.echo("The mesh is down.")
    else:
        click.echo("The mesh is not up.")
