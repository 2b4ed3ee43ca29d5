"""`toolmesh up`: starts the mesh on this machine."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import click

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh.folder import MeshFolder, checkout_root, require_local_mesh
from toolmesh_cli.mesh.start import Outcome, Plan, start_mesh
from toolmesh_cli.wording import number, span


@click.command("up")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="TOOLMESH_GATEWAY_PORT",
    help="The gateway's TCP port. Default: 8080.",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    envvar="TOOLMESH_GATEWAY_ADDRESS",
    help="The IP address that the gateway listens on.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=90,
    show_default=True,
    help="How many seconds the start may take.",
)
def command(port: int | None, address: str, timeout: float) -> None:
    """Start the mesh on this machine and wait until it answers.

    Starts the store (Valkey), every service of the checkout and the gateway (Envoy) in the
    background. A process that ends is started again. What the mesh keeps is in `.toolmesh`
    in the checkout, or where TOOLMESH_DATA says, and survives a restart.
    """
    folder = require_local_mesh(os.environ)
    root = checkout_root(os.environ)
    if root is None:
        raise CliError(
            "no checkout of Toolmesh to run",
            exit_code=ExitCode.USAGE,
            hint="run the command inside one, or set TOOLMESH_ROOT",
        )
    plan = Plan(
        root=root,
        folder=folder,
        address=address,
        port=port,
        timeout_seconds=timeout,
        environ=os.environ,
    )
    with folder.locked(lambda: click.echo("waiting for another `up` or `down` to end", err=True)):
        outcome = asyncio.run(start_mesh(plan, on_ready=_report))
    _print_outcome(outcome, folder)


def _report(name: str, seconds: float) -> None:
    click.echo(f"  {name:<12} {click.style('ready', fg='green')} after {span(seconds)}")


def _print_outcome(outcome: Outcome, folder: MeshFolder) -> None:
    url = click.style(outcome.url, bold=True)
    if outcome.ended_leftovers:
        left = number(outcome.ended_leftovers, "process", "processes")
        click.echo(f"Ended {left} that a mesh had left behind.")
    if outcome.already_up and not outcome.started:
        click.echo(f"The mesh is already up: {url}")
    elif outcome.already_up:
        click.echo(f"The mesh was up; started again: {', '.join(outcome.started)}. {url}")
    else:
        click.echo(f"The mesh is up after {span(outcome.seconds)}: {url}")
    name = _own_name()
    click.echo(f"  a token     TOKEN=$({name} token)")
    click.echo(f'  a call      curl -H "authorization: Bearer $TOKEN" {outcome.url}/v1/tools')
    click.echo(f"  push code   {name} push .")
    click.echo(f"  the key     {_relative(folder.admin_key_file)} (administrator's API key)")
    if outcome.not_running:
        names = ", ".join(outcome.not_running)
        click.echo(f"Not running, since added later: {names}. `{name} down`, then `up`.", err=True)
    if not outcome.key_is_taken:
        click.echo("The mesh refuses that key: it was revoked or its file was removed.", err=True)


def _own_name() -> str:
    """How the command is called from here."""
    own = Path(sys.argv[0])
    found = shutil.which("toolmesh")
    if found and own.exists() and Path(found).resolve() == own.resolve():
        return "toolmesh"
    return str(_relative(own.absolute())) if own.name == "toolmesh" else "toolmesh"


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
