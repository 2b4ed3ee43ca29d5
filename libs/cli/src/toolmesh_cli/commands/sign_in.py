"""`toolmesh sign-in`: begins a session, with a password or an ID token."""

import asyncio
import time
from datetime import UTC
from typing import Any

import click

from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.secrets import ask_line
from toolmesh_cli.signed_in import SignedIn, SignedInFile
from toolmesh_cli.wording import until

# Checking a password is slow on purpose, and an issuer's keys may have to be fetched.
_CALL_SECONDS = 30


@click.command("sign-in")
@click.argument("user", default="")
@click.option(
    "--id-token", is_flag=True, help="With an ID token of an issuer that the mesh trusts; no USER."
)
@click.option("--nonce", default="", help="The nonce with which the ID token was asked for.")
@click.pass_obj
def command(session: Session, user: str, id_token: bool, nonce: str) -> None:
    """Sign in; later commands are yours until `toolmesh sign-out`.

    The password or ID token is asked for on the terminal, or read as a line from stdin. The session
    is kept in a file that only you can read and goes on for as long as it is used.
    """
    if bool(user) == id_token:
        raise CliError(
            "name a user, or sign in with an ID token, which names one",
            exit_code=ExitCode.USAGE,
            hint="`toolmesh sign-in USER` or `toolmesh sign-in --id-token`",
        )
    if nonce and not id_token:
        raise CliError("--nonce goes with --id-token", exit_code=ExitCode.USAGE)
    asyncio.run(_sign_in(session, user, nonce=nonce))


async def _sign_in(session: Session, user: str, *, nonce: str) -> None:
    import grpc.aio

    url = session.target().url
    async with connected(session, anonymous=True) as channel:
        try:
            answer = await _ask(channel, user, nonce=nonce)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise CliError(error.details() or "", exit_code=ExitCode.DENIED) from None
            raise
    user = answer.session.user
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


async def _ask(channel: Any, user: str, *, nonce: str) -> Any:
    """Begins a session, with the password of `user`, else with an ID token."""
    from toolmesh.identity.v1 import session_service_pb2 as pb
    from toolmesh.identity.v1 import session_service_pb2_grpc

    stub = session_service_pb2_grpc.SessionServiceStub(channel)
    if user:
        by_password = pb.SignInRequest(user=user, password=ask_line("password"))
        return await stub.SignIn(by_password, timeout=_CALL_SECONDS)
    by_token = pb.SignInWithIdTokenRequest(id_token=ask_line("ID token"), nonce=nonce)
    return await stub.SignInWithIdToken(by_token, timeout=_CALL_SECONDS)
