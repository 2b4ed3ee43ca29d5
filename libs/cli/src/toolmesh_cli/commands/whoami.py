"""`toolmesh whoami`: shows who the caller is to the mesh."""

import asyncio
from datetime import UTC

import click

from toolmesh_cli.answers import print_json
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.tables import print_pairs
from toolmesh_cli.wording import until


@click.command("whoami")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """Show who you are to the mesh and what you may do."""
    asyncio.run(_print_caller(session, as_json))


async def _print_caller(session: Session, as_json: bool) -> None:
    async with connected(session) as channel:
        from toolmesh.identity.v1 import token_service_pb2 as pb
        from toolmesh.identity.v1 import token_service_pb2_grpc

        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        answer = await stub.WhoAmI(pb.WhoAmIRequest(), timeout=10)
    if as_json:
        print_json(answer)
        return
    # Of delegated tokens alone.
    bounds = [
        (name, ", ".join(values))
        for name, values in (("acting", answer.actors), ("workspaces", answer.workspaces))
        if values
    ]
    print_pairs(
        [
            ("mesh", session.target().url),
            ("subject", answer.subject),
            *bounds,
            ("roles", ", ".join(answer.roles)),
            ("scopes", ", ".join(answer.scopes)),
            ("token ends", until(answer.expire_time.ToDatetime(tzinfo=UTC))),
            ("credential", session.credential().origin),
        ]
    )
