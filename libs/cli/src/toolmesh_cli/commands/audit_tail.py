"""`toolmesh audit tail`: shows events as they are recorded."""

import asyncio
from typing import Any, Final

import click

from toolmesh_cli.answers import print_json
from toolmesh_cli.arguments import build_request
from toolmesh_cli.audit_events import line
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.derived import field_helps
from toolmesh_cli.mesh_contract import contract
from toolmesh_cli.parameters import Parameters

_TAIL: Final = "/toolmesh.audit.v1.AuditService/TailAuditEvents"
_LIST: Final = "/toolmesh.audit.v1.AuditService/ListAuditEvents"
_OURS: Final = ("after_sequence", "follow_seconds")

_FOLLOW_SECONDS: Final = 840
# The log gives a sign of life more often.
_SILENCE_SECONDS: Final = 30.0
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)


def tail_command() -> click.Command:
    """The command; its filters are the fields of the request."""
    method = contract().by_path[_TAIL]
    parameters = Parameters(method, field_helps(method))

    @click.pass_obj
    def callback(session: Session, lines: int, as_json: bool, **values: Any) -> None:
        tail = _Tail(parameters.arguments(values), as_json=as_json)
        asyncio.run(tail.run(session, lines))

    return click.Command(
        "tail",
        params=[
            *(p for p in parameters.click_parameters() if p.name not in _OURS),
            click.Option(
                ["-n", "--lines"],
                type=click.IntRange(0, 1000),
                default=10,
                show_default=True,
                help="How many of the last events to begin with.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, a line an event."),
        ],
        callback=callback,
        short_help="Show events as they are recorded, until Ctrl-C",
        help="Show events as they are recorded, until Ctrl-C.\n\nWhen the connection is lost it is "
        f"made anew, and no event is left out.\n\nNeeds: {method.policy.scope}.",
    )


class _Tail:
    def __init__(self, filters: dict[str, Any], *, as_json: bool) -> None:
        self._method = contract().by_path[_TAIL]
        self._filters = filters
        self._as_json = as_json
        self._last: int | None = None
        self._lost = 0

    async def run(self, session: Session, lines: int) -> None:
        """Shows the last `lines` events and then all new ones."""
        import grpc
        import grpc.aio

        again = (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.INTERNAL,  # a stream that the gateway reset
        )
        async with connected(session) as channel:
            if lines:
                await self._begin(channel, lines)
            while True:
                try:
                    await self._follow(channel)
                except (grpc.aio.AioRpcError, TimeoutError) as error:
                    if isinstance(error, grpc.aio.AioRpcError) and error.code() not in again:
                        raise
                    await self._wait()

    async def _begin(self, channel: Any, lines: int) -> None:
        from toolmesh_client.by_descriptor import call_method

        listing = contract().by_path[_LIST]
        request = build_request(listing, self._filters | {"page_size": lines})
        page: Any = await call_method(channel, listing, request)
        for event in reversed(page.audit_events):
            self._show(event)

    async def _follow(self, channel: Any) -> None:
        from toolmesh_client.by_descriptor import stream_method

        ours: dict[str, Any] = {"follow_seconds": _FOLLOW_SECONDS}
        if self._last is not None:
            ours["after_sequence"] = self._last
        request = build_request(self._method, self._filters | ours)
        answers = aiter(stream_method(channel, self._method, request))
        while True:
            try:
                answer: Any = await asyncio.wait_for(anext(answers), _SILENCE_SECONDS)
            except StopAsyncIteration:
                return
            self._found_again()
            for event in answer.audit_events:
                self._show(event)
            self._last = answer.last_sequence

    def _show(self, event: Any) -> None:
        self._last = event.sequence
        if self._as_json:
            print_json(event, compact=True)
        else:
            click.echo(line(event))

    async def _wait(self) -> None:
        if self._lost == 0:
            click.echo("the log does not answer; trying again", err=True)
        await asyncio.sleep(_PAUSES[min(self._lost, len(_PAUSES) - 1)])
        self._lost += 1

    def _found_again(self) -> None:
        if self._lost:
            click.echo("the log answers again", err=True)
        self._lost = 0
