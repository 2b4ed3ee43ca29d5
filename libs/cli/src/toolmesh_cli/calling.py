"""Calls a method and prints its answer, with a sign of life on a terminal while it takes long."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import click
from google.protobuf.message import Message

from toolmesh_cli.answers import print_answer, print_json, print_stream_item
from toolmesh_cli.bulk import chunks_of, print_outcomes
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import ExitCode
from toolmesh_cli.pages import Wanted, call_pages, how_to_see_more
from toolmesh_cli.progress import is_only_progress, progress_display
from toolmesh_cli.rows import Rows
from toolmesh_contracts.contract import Method

if TYPE_CHECKING:
    import grpc.aio

_QUIET_SECONDS: Final = 1.0


def call_and_print(
    session: Session, method: Method, request: Message, wanted: Wanted, *, as_json: bool
) -> None:
    """Calls a method that takes one request and prints what it answers, and whether that is all.

    Raises:
        grpc.aio.AioRpcError: the call failed.
        CliError: the mesh cannot be reached.
    """
    asyncio.run(_call_and_print(session, method, request, wanted, as_json))


async def _call_and_print(
    session: Session, method: Method, request: Message, wanted: Wanted, as_json: bool
) -> None:
    async with connected(session, anonymous=method.policy.public) as channel:
        if method.server_streaming:
            await _stream(channel, method, request, as_json=as_json)
            return
        from toolmesh_client.by_descriptor import call_method

        async with sign_of_life(method.tool.title if method.tool else method.name):
            if wanted.limit is None:
                answer = await call_method(channel, method, request)
            else:
                answer = await call_pages(channel, method, request, limit=wanted.limit)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)
    if more := how_to_see_more(method, request, answer, wanted):
        click.echo(more, err=True)


async def _stream(
    channel: "grpc.aio.Channel", method: Method, request: Message, *, as_json: bool
) -> None:
    from toolmesh_client.by_descriptor import stream_method

    async with progress_display(method.name, quiet=as_json) as display:
        async for item in stream_method(channel, method, request):
            display.show(item)
            if as_json or not is_only_progress(item):
                print_stream_item(item, as_json=as_json)


def send_rows(session: Session, method: Method, rows: Rows, *, as_json: bool) -> None:
    """Calls a method with the rows of a file, in as many calls as its rules ask for.

    Raises:
        grpc.aio.AioRpcError: a call failed.
        CliError: the mesh cannot be reached.
        click.exceptions.Exit: some rows could not be taken.
    """
    if asyncio.run(_send_rows(session, method, rows, as_json)):
        raise click.exceptions.Exit(ExitCode.INVALID)


async def _send_rows(session: Session, method: Method, rows: Rows, as_json: bool) -> int:
    field = rows.field
    whole = method.output_class()
    async with connected(session) as channel:
        from toolmesh_client.by_descriptor import call_method, parse_arguments

        async with sign_of_life(method.name):
            for items in chunks_of(field, rows.items):
                request = parse_arguments(method, {field.name: items})
                whole.MergeFrom(await call_method(channel, method, request))
    return print_outcomes(whole, rows, as_json=as_json)


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
