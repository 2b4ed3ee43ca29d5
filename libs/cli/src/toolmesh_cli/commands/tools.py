"""`toolmesh tools`: lists what the caller may call."""

import asyncio

import click

from toolmesh_cli.answers import print_json
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.tables import print_table


@click.command("tools")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the answer, schemas included, as JSON."
)
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """List the tools that you may call."""
    asyncio.run(_print_tools(session, as_json))


async def _print_tools(session: Session, as_json: bool) -> None:
    async with connected(session) as channel:
        from toolmesh.catalog.v1 import catalog_service_pb2 as pb
        from toolmesh.catalog.v1 import catalog_service_pb2_grpc

        stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        answer = await stub.ListTools(pb.ListToolsRequest(), timeout=10)
    if as_json:
        print_json(answer)
        return
    if not answer.tools:
        click.echo("There is no tool that you may call.", err=True)
        return
    print_table(
        ("tool", "scope", "changes", "what it does"),
        [
            (tool.name, tool.scope, _changes(tool), tool.description.partition(". ")[0])
            for tool in answer.tools
        ],
    )
    click.echo(
        "\nCall one with `toolmesh call TOOL key=value`, or as a command: see --help.", err=True
    )


def _changes(tool: object) -> str:
    if getattr(tool, "read_only"):  # noqa: B009
        return "nothing"
    return "for good" if getattr(tool, "destructive") else "yes"  # noqa: B009
