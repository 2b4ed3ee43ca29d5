"""`toolmesh sign-in`: begins a session with a password."""

import asyncio
import time
from datetime import UTC

import click

from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.secrets import ask_line
from toolmesh_cli.signed_in import SignedIn, SignedInFile
from toolmesh_cli.wording import until

# Checking a password is slow on purpose.
_CALL_SECONDS = 30


@click.command("sign-in")
@click.argument("user")
@click.pass_obj
def command(session: Session, user: str) -> None:
    """Sign in with a password; later commands are yours until `toolmesh sign-out`.

    The password is asked for on the terminal, or read as a line from stdin. The session is kept
    in a file that only you can read and goes on for as long as it is used.
    """
    asyncio.run(_sign_in(session, user))


async def _sign_in(session: Session, user: str) -> None:
    import grpc.aio

    url = session.target().url
    async with connected(session, anonymous=True) as channel:
        from toolmesh.identity.v1 import session_service_pb2 as pb
        from toolmesh.identity.v1 import session_service_pb2_grpc

        password = ask_line("password")
        stub = session_service_pb2_grpc.SessionServiceStub(channel)
        request = pb.SignInRequest(user=user, password=password)
        try:
            answer = await stub.SignIn(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise CliError(error.details() or "", exit_code=ExitCode.DENIED) from None
            raise
    signed_in = SignedIn(
        user=user,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=time.time() + answer.expires_in.ToTimedelta().total_seconds(),
    )
    await SignedInFile(session.environ).put(url, signed_in)
    ends = until(answer.session.expire_time.ToDatetime(tzinfo=UTC))
    click.echo(f"Signed in to {url} as {user}; ends {ends} unless it is used.")
    stronger = [
        name
        for name in ("TOOLMESH_TOKEN", "TOOLMESH_API_KEY", "TOOLMESH_API_KEY_FILE")
        if session.environ.get(name)
    ]
    if stronger:
        click.echo(f"{stronger[0]} is set and goes before it: unset it to be {user}.", err=True)
