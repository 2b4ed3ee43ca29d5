"""`toolmesh call`: calls any method by name."""

import click

from toolmesh_cli.connection import Session
from toolmesh_cli.failures import CliError, ExitCode


@click.command("call")
@click.argument("name")
@click.argument("arguments", nargs=-1)
@click.option(
    "--json-args",
    metavar="JSON",
    help="All arguments as a JSON object; @FILE reads it from a file, - from stdin.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_obj
def command(
    session: Session, name: str, arguments: tuple[str, ...], json_args: str | None, as_json: bool
) -> None:
    """Call any method that takes one request.

    NAME is a tool (repomap_map), a method (repomap.map, or map if there is but one), or a gRPC
    path (/toolmesh.repomap.v1.RepomapService/Map). ARGUMENTS are key=value, where a list's key is
    repeated, or JSON: '{"key": "value"}', @FILE, or - for stdin.
    """
    from toolmesh_cli.arguments import build_request, read_object, read_pairs
    from toolmesh_cli.calling import call_and_print
    from toolmesh_cli.method_names import find_method
    from toolmesh_cli.pages import Wanted

    method = find_method(name)
    if method.client_streaming:
        raise CliError(
            f"{name} takes a stream of requests, which a command line cannot give",
            exit_code=ExitCode.USAGE,
            hint="`toolmesh push` pushes code",
        )
    given = read_object(json_args) if json_args is not None else {}
    given |= read_pairs(method.input, arguments)
    wanted = Wanted(typed="{}={}".format)
    call_and_print(session, method, build_request(method, given), wanted, as_json=as_json)
