"""`toolmesh sign-out`: ends the session that `sign-in` began."""

import asyncio

import click

from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.signed_in import SignedInFile

_CALL_SECONDS = 10


@click.command("sign-out")
@click.pass_obj
def command(session: Session) -> None:
    """End the session that you signed in to, and forget it here."""
    asyncio.run(_sign_out(session))


async def _sign_out(session: Session) -> None:
    import grpc.aio

    url = session.target().url
    file = SignedInFile(session.environ)
    known = file.get(url)
    if known is None:
        raise CliError(f"nobody is signed in to {url} here", exit_code=ExitCode.NOT_FOUND)
    mine = Session(url=url, environ=_without_credentials(session))
    try:
        await _end(mine)
    except (CliError, grpc.aio.AioRpcError) as error:
        code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
        ended = code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.NOT_FOUND)
        if not ended and not _is_denied(error):
            await file.put(url, None)
            raise CliError(
                f"signed out here, but {url} could not be told: the session ends there by itself",
                exit_code=ExitCode.UNAVAILABLE,
            ) from error
    await file.put(url, None)
    click.echo(f"Signed out of {url}; {known.user}'s session has ended.")


async def _end(session: Session) -> None:
    async with connected(session) as channel:
        from toolmesh.identity.v1 import session_service_pb2 as pb
        from toolmesh.identity.v1 import session_service_pb2_grpc

        stub = session_service_pb2_grpc.SessionServiceStub(channel)
        await stub.SignOut(pb.SignOutRequest(), timeout=_CALL_SECONDS)


def _is_denied(error: Exception) -> bool:
    return isinstance(error, CliError) and error.exit_code == ExitCode.DENIED


def _without_credentials(session: Session) -> dict[str, str]:
    stronger = ("TOOLMESH_TOKEN", "TOOLMESH_API_KEY", "TOOLMESH_API_KEY_FILE")
    return {name: value for name, value in session.environ.items() if name not in stronger}
