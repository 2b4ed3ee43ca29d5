"""Calls a method and prints its answer, with a sign of life on a terminal while it takes long."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator

from google.protobuf.message import Message

from toolmesh_cli.answers import print_answer, print_json, print_stream_item
from toolmesh_cli.connection import Session, connected
from toolmesh_contracts.contract import Method

_QUIET_SECONDS = 1.0


def call_and_print(session: Session, method: Method, request: Message, *, as_json: bool) -> None:
    """Calls a method that takes one request and prints what it answers.

    Raises:
        grpc.aio.AioRpcError: the call failed.
        CliError: the mesh cannot be reached.
    """
    asyncio.run(_call_and_print(session, method, request, as_json))


async def _call_and_print(
    session: Session, method: Method, request: Message, as_json: bool
) -> None:
    anonymous = method.policy.public
    async with connected(session, anonymous=anonymous) as channel:
        from toolmesh_client.by_descriptor import call_method, stream_method

        if method.server_streaming:
            async for item in stream_method(channel, method, request):
                print_stream_item(item, as_json=as_json)
            return
        async with sign_of_life(method.tool.title if method.tool else method.name):
            answer = await call_method(channel, method, request)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)


@contextlib.asynccontextmanager
async def sign_of_life(title: str) -> AsyncGenerator[None]:
    """Shows a spinner and the time on a terminal's stderr once the block takes over a second."""
    if not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_spin(title))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _spin(title: str) -> None:
    await asyncio.sleep(_QUIET_SECONDS)
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(title)
        await asyncio.Event().wait()  # until cancelled: a thread of its own draws
