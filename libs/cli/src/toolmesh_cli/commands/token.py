"""`toolmesh token`: prints an access token."""

import asyncio

import click

from toolmesh_cli.answers import print_json
from toolmesh_cli.connection import Session, SignedInCredential, connected
from toolmesh_cli.failures import CliError, ExitCode


@click.command("token")
@click.option("--scope", "scopes", multiple=True, help="Hold this scope alone; can be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.pass_obj
def command(session: Session, scopes: tuple[str, ...], as_json: bool) -> None:
    """Print an access token, good for some minutes: TOKEN=$(toolmesh token)

    It is made from your API key and holds all scopes of the key, or those given with --scope. Who
    signed in gets the token of the session.
    """
    asyncio.run(_print_token(session, scopes, as_json))


async def _print_token(session: Session, scopes: tuple[str, ...], as_json: bool) -> None:
    credential = session.credential()
    if isinstance(credential, SignedInCredential) and not scopes and not as_json:
        click.echo(await credential.token(session))
        return
    if not credential.is_api_key:
        raise CliError(
            f"no API key ({credential.origin}), and only from one can such a token be made",
            exit_code=ExitCode.DENIED,
            hint="set TOOLMESH_API_KEY, or give --api-key-file FILE",
        )
    async with connected(session, anonymous=True) as channel:
        from toolmesh.identity.v1 import token_service_pb2 as pb
        from toolmesh.identity.v1 import token_service_pb2_grpc

        stub = token_service_pb2_grpc.TokenServiceStub(channel)
        request = pb.ExchangeTokenRequest(api_key=credential.value, scopes=scopes)
        answer = await stub.ExchangeToken(request, timeout=10)
    if as_json:
        print_json(answer)
    else:
        click.echo(answer.access_token)
