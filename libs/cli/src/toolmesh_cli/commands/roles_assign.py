"""`toolmesh roles assign` and `withdraw`: change which roles a user has."""

import asyncio
from collections.abc import Callable

import click

from toolmesh_cli.answers import print_answer, print_json
from toolmesh_cli.connection import Session, connected

_CALL_SECONDS = 10

Change = Callable[[list[str], tuple[str, ...]], list[str]]


def _command(name: str, what: str, change: Change) -> click.Command:
    @click.pass_obj
    def callback(session: Session, user: str, roles: tuple[str, ...], as_json: bool) -> None:
        asyncio.run(_update(session, user, lambda had: change(had, roles), as_json=as_json))

    return click.Command(
        name,
        params=[
            click.Argument(["user"]),
            click.Argument(["roles"], nargs=-1, required=True, metavar="ROLE..."),
            click.Option(["--json", "as_json"], is_flag=True, help="Print the user as JSON."),
        ],
        callback=callback,
        short_help=what,
        help=f"{what}; its other roles stay. Needs: identity:admin.",
    )


async def _update(
    session: Session, user: str, change: Callable[[list[str]], list[str]], *, as_json: bool
) -> None:
    async with connected(session) as channel:
        from toolmesh.identity.v1 import user_service_pb2 as pb
        from toolmesh.identity.v1 import user_service_pb2_grpc

        stub = user_service_pb2_grpc.UserServiceStub(channel)
        known = await stub.GetUser(pb.GetUserRequest(id=user), timeout=_CALL_SECONDS)
        names = change(list(known.user.roles))
        request = pb.UpdateUserRequest(id=user, roles=pb.RoleNames(names=names))
        answer = await stub.UpdateUser(request, timeout=_CALL_SECONDS)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)


def assign_command() -> click.Command:
    """The command that adds roles."""
    return _command(
        "assign", "Give roles to a user", lambda had, roles: list(dict.fromkeys([*had, *roles]))
    )


def withdraw_command() -> click.Command:
    """The command that takes roles."""
    return _command(
        "withdraw",
        "Take roles from a user",
        lambda had, roles: [role for role in had if role not in roles],
    )
