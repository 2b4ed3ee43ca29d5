"""The command itself: finds the subcommand, runs it, and turns failures into exit codes."""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from toolmesh_cli.connection import Session
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.suggestions import SuggestingGroup


@dataclass(frozen=True)
class _BuiltIn:
    """A command that is written by hand, known by its help before its module is loaded."""

    module: str
    help: str


_BUILT_IN = {
    "up": _BuiltIn("up", "Start the mesh on this machine and wait until it answers."),
    "down": _BuiltIn("down", "Stop the mesh on this machine."),
    "status": _BuiltIn("status", "Show every process: health, restarts, memory."),
    "logs": _BuiltIn("logs", "Show the logs of the mesh on this machine."),
    "token": _BuiltIn("token", "Print an access token."),
    "sign-in": _BuiltIn("sign_in", "Sign in with a password or an ID token."),
    "sign-out": _BuiltIn("sign_out", "End the session that you signed in to."),
    "whoami": _BuiltIn("whoami", "Show who you are to the mesh and what you may do."),
    "push": _BuiltIn("push", "Push a folder of code to a workspace."),
    "tools": _BuiltIn("tools", "List the tools that you may call."),
    "call": _BuiltIn("call", "Call any method by name, with arguments as JSON or key=value."),
}


class MeshGroup(SuggestingGroup):
    """Has the built-in commands, and the groups that the contract describes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The built-in commands in their own order, then the groups by name."""
        return [*_BUILT_IN, *_groups()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads the command's module now."""
        if built_in := _BUILT_IN.get(cmd_name):
            return _load(built_in)
        if cmd_name not in _groups():
            return None
        from toolmesh_cli.derived import command_group

        return command_group(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists both kinds apart, without loading any."""
        from toolmesh_cli.derived import group_help

        with formatter.section("Commands"):
            formatter.write_dl([(name, known.help) for name, known in _BUILT_IN.items()])
        if names := _groups():
            with formatter.section("More commands (toolmesh NAME --help lists them)"):
                formatter.write_dl([(name, group_help(name)) for name in names])


@click.group(cls=MeshGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url", metavar="URL", help="The mesh's gateway. Default: TOOLMESH_URL, else the local mesh."
)
@click.option(
    "--api-key-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with an API key. Default: TOOLMESH_TOKEN, TOOLMESH_API_KEY, "
    "TOOLMESH_API_KEY_FILE, else who signed in, else the local mesh's administrator.",
)
@click.pass_context
def toolmesh(context: click.Context, url: str | None, api_key_file: Path | None) -> None:
    """Run a mesh of tools on this machine, and call one anywhere."""
    context.obj = Session(url=url, api_key_file=api_key_file)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    try:
        outcome = toolmesh.main(arguments, prog_name="toolmesh", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        return _show_misuse(error)
    except CliError as error:
        return _show(error)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output, `head` for example, has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        return _show(_unforeseen(error))
    return outcome if isinstance(outcome, int) else ExitCode.OK


def main() -> None:
    """Runs the command and ends the process."""
    sys.exit(run())


def _show_misuse(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    hint = f"see `{error.ctx.command_path} --help`" if error.ctx else ""
    return _show(CliError(error.format_message(), exit_code=ExitCode.USAGE, hint=hint))


def _unforeseen(error: Exception) -> CliError:
    """A failed call, or a fault of ours; gRPC is loaded already if the call failed."""
    if "grpc.aio" in sys.modules:
        import grpc.aio

        if isinstance(error, grpc.aio.AioRpcError):
            from toolmesh_cli.rpc_failures import from_rpc_error

            return from_rpc_error(error)
    if os.environ.get("TOOLMESH_DEBUG"):
        raise error
    kind = type(error).__name__
    return CliError(
        f"{kind}: {error}", hint="this is a fault of the command; TOOLMESH_DEBUG=1 shows where"
    )


def _show(error: CliError) -> int:
    label = click.style("error:", fg="red", bold=True)
    click.echo(f"{label} {error.message.rstrip('.')}", err=True)
    for line in error.details:
        click.echo(f"  {line}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
    return error.exit_code


def _load(built_in: _BuiltIn) -> click.Command:
    return importlib.import_module(f"toolmesh_cli.commands.{built_in.module}").command


def _groups() -> tuple[str, ...]:
    """The groups of the contract; none where the stubs were not generated."""
    from toolmesh_cli.mesh_contract import groups

    try:
        return tuple(groups())
    except CliError:
        return ()
