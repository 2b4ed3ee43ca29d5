"""Calls a method and prints its answer, with a sign of life on a terminal while it takes long."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final

import click
from google.protobuf.message import Message

from toolmesh_cli.answers import print_answer, print_json, print_stream_item
from toolmesh_cli.bulk import chunks_of, print_outcomes
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import ExitCode
from toolmesh_cli.progress import is_only_progress, progress_display
from toolmesh_cli.rows import Rows
from toolmesh_contracts.contract import Method

if TYPE_CHECKING:
    import grpc.aio

_QUIET_SECONDS: Final = 1.0
_MOST_A_PAGE: Final = 1000


def call_and_print(
    session: Session, method: Method, request: Message, *, as_json: bool, limit: int | None = None
) -> None:
    """Calls a method that takes one request and prints what it answers.

    Args:
        limit: how many items of a list that comes in pages; 0: all; None: the request's page.

    Raises:
        grpc.aio.AioRpcError: the call failed.
        CliError: the mesh cannot be reached.
    """
    asyncio.run(_call_and_print(session, method, request, as_json, limit))


async def _call_and_print(
    session: Session, method: Method, request: Message, as_json: bool, limit: int | None
) -> None:
    async with connected(session, anonymous=method.policy.public) as channel:
        if method.server_streaming:
            await _stream(channel, method, request, as_json=as_json)
            return
        from toolmesh_client.by_descriptor import call_method

        async with sign_of_life(method.tool.title if method.tool else method.name):
            if limit is None:
                answer = await call_method(channel, method, request)
            else:
                answer = await call_pages(channel, method, request, limit=limit)
    if as_json:
        print_json(answer)
        return
    print_answer(answer)
    if limit and getattr(answer, "next_page_token"):  # noqa: B009
        click.echo(f"there are more than {limit:,}: --limit 0 shows all", err=True)


async def call_pages(
    channel: "grpc.aio.Channel", method: Method, request: Message, *, limit: int
) -> Message:
    """The first `limit` items of a list, 0 for all, as one answer.

    Raises:
        grpc.aio.AioRpcError: a call failed.
    """
    from toolmesh_client.by_descriptor import call_method

    whole: Any = method.output_class()
    items = next(field.name for field in method.output.fields if field.is_repeated)
    page: Any = type(request)()
    page.CopyFrom(request)
    while True:
        left = limit - len(getattr(whole, items)) if limit else _MOST_A_PAGE
        page.page_size = min(left, _MOST_A_PAGE)
        answer: Any = await call_method(channel, method, page)
        whole.MergeFrom(answer)
        whole.next_page_token = page.page_token = answer.next_page_token
        if not page.page_token or (limit and len(getattr(whole, items)) >= limit):
            return whole


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
