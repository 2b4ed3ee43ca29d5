"""Shows an answer: its text if it has one, tables and facts else, or its JSON."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from toolmesh_cli import audit_events
from toolmesh_cli.facts import brief, fact_of, facts_of, is_plain, item_text, phrase, words
from toolmesh_cli.pages import count_of
from toolmesh_cli.places import is_place, places_inside, print_file, print_place
from toolmesh_cli.secrets import is_secret
from toolmesh_cli.tables import print_pairs, print_table

_LONG_TEXT = 200
_ROWS_SHOWN = 200
_ITEMS_IN_LINE = 20
_LIST_IN_CELL = 32
# Beside the time of creation it says little, and lines that fold are hard to read.
_LEFT_OUT_OF_TABLES = ("update_time",)
# Beside a text, lists are notes in the margin.
_ROWS_SHOWN_BESIDE_TEXT = 10

_BODY = HttpBody.DESCRIPTOR.full_name
# Its two kinds have nothing in common, so columns made of its fields would be half empty.
_AUDIT_EVENT = "toolmesh.audit.v1.AuditEvent"


def print_json(message: Any, *, compact: bool = False) -> None:
    """Prints the proto3 JSON of a message, every field included."""
    click.echo(
        json_format.MessageToJson(
            message,
            always_print_fields_with_no_presence=True,
            indent=None if compact else 2,
            ensure_ascii=False,
            descriptor_pool=message.DESCRIPTOR.file.pool,
        )
    )


def print_answer(message: Any) -> None:
    """Prints an answer for people.

    What it is about (a long text, a raw body) goes to stdout, and then what else is known about it
    to stderr, so that a pipe gets the text alone. A secret is such a text. An answer without one
    goes to stdout.
    """
    if secrets := [f for f in message.DESCRIPTOR.fields if is_secret(f)]:
        _print_secrets(message, secrets)
        return
    text = _long_text(message)
    if text is not None:
        content, skipped = text
        _write(content)
        if not isinstance(content, bytes):
            _print_margin(message, skipped)
        return
    if not _print_places(message):
        _print_facts(message)


def _print_places(message: Any) -> bool:
    """Prints an answer about places in code, or files with places in them; False: it is not."""
    only = message.ListFields()
    if len(only) == 1 and not only[0][0].is_repeated and is_place(only[0][0]):
        print_place(only[0][1], item_text)
        return True
    for field, items in _lists(message):
        inside = places_inside(field)
        if not is_place(field) and (inside is None or not items):
            continue
        for item in items:
            if inside is None:
                print_place(item, item_text)
            else:
                print_file(item, item_text, inside)
        _print_margin(message, field.name)
        return True
    return False


def _print_facts(message: Message) -> None:
    """The single values, then the lists as tables."""
    pairs, tables = [(fact.name, fact.value) for fact in facts_of(message)], []
    for field, items in _lists(message):
        if items and len(items) <= _ITEMS_IN_LINE and not isinstance(items[0], Message):
            pairs.append((words(field.name), ", ".join(item_text(field, item) for item in items)))
        else:
            tables.append((field, items))
    if pairs:
        print_pairs(pairs)
    for field, items in tables:
        if not items and pairs:
            continue
        if pairs or len(tables) > 1:
            click.echo(f"\n{words(field.name)}:" if pairs else f"{words(field.name)}:")
        # How many items of a list that comes in pages are shown, the caller has said.
        paged = "next_page_token" in message.DESCRIPTOR.fields_by_name
        _print_items(field, items, most=len(items) if paged else _ROWS_SHOWN)
    if not pairs and not any(items for _, items in tables):
        click.echo("nothing" if tables else "done", err=True)


def _print_secrets(message: Message, secrets: Sequence[FieldDescriptor]) -> None:
    """The secrets to stdout and all else to stderr: `> key.txt` keeps the key and nothing more."""
    names = {words(field.name) for field in secrets}
    print_pairs(
        [(name, value) for name, value in _all_facts(message) if name not in names], err=True
    )
    click.echo(click.style("Keep it now: it is not shown again.", fg="yellow"), err=True)
    for field in secrets:
        click.echo(getattr(message, field.name))


def _all_facts(message: Message) -> Iterator[tuple[str, str]]:
    """The single values, and the lists as one value each."""
    yield from ((fact.name, fact.value) for fact in facts_of(message))
    for field, items in _lists(message):
        if items:
            yield words(field.name), ", ".join(item_text(field, item) for item in items)


def _long_text(message: Any) -> tuple[str | bytes, str] | None:
    """The text that the answer is about and the name of its field."""
    if (field := _text_field(message)) is not None:
        return getattr(message, field.name), field.name
    for field, value in message.ListFields():
        if isinstance(value, Message) and value.DESCRIPTOR.full_name == _BODY:
            return value.data, field.name
        single = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
        if single and ("\n" in value or len(value) > _LONG_TEXT):
            return value, field.name
    return None


def _text_field(message: Any) -> FieldDescriptor | None:
    """The first field of an answer with a token budget, if that is a text and was given as one.

    However little fitted into the budget, even nothing, it is what the answer is about; but not
    where there are tokens of something else.
    """
    fields = message.DESCRIPTOR.fields
    if "token_count" not in message.DESCRIPTOR.fields_by_name or fields[0].is_repeated:
        return None
    is_text = fields[0].type == FieldDescriptor.TYPE_STRING
    given = getattr(message, fields[0].name) or message.token_count == 0
    return fields[0] if is_text and given else None


def _write(content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    stdout = sys.stdout.buffer
    stdout.write(data if data.endswith(b"\n") or not data else data + b"\n")
    stdout.flush()


def _print_margin(message: Message, skipped: str) -> None:
    stated = [phrase(fact) for fact in facts_of(message) if fact.name != words(skipped)]
    if any(stated):
        click.echo(click.style(" · ".join(filter(None, stated)), dim=True), err=True)
    for field, items in _lists(message):
        if field.name == skipped or not items:
            continue
        if is_place(field):
            # No note in the margin: what was asked for, beside the text that was made of it.
            for place in items:
                print_place(place, item_text, err=True)
            continue
        click.echo(click.style(f"{words(field.name)}:", dim=True), err=True)
        for item in items[:_ROWS_SHOWN_BESIDE_TEXT]:
            click.echo(click.style(f"  {item_text(field, item)}", dim=True), err=True)
        if more := _more(message, field, items, _ROWS_SHOWN_BESIDE_TEXT):
            click.echo(click.style(f"  {more}", dim=True), err=True)


def _more(message: Message, field: FieldDescriptor, items: Sequence[Any], shown: int) -> str:
    """How many items there are besides the first ones; empty: none."""
    total = max(count_of(message, field), len(items))
    if total <= shown:
        return ""
    whole = "all" if total == len(items) else f"{len(items):,} of them"
    # What a list goes on with is told where the answer ends.
    return f"and {total - shown:,} more" + (
        f" (--json shows {whole})" if len(items) > shown else ""
    )


def _lists(message: Any) -> Iterator[tuple[FieldDescriptor, Sequence[Any]]]:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            yield field, _items(field, value)
        elif isinstance(value, Message) and not is_plain(value) and message.HasField(field.name):
            yield from _lists(value)


def _items(field: FieldDescriptor, value: Any) -> Sequence[Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return [f"{key}: {item}" for key, item in sorted(value.items())]
    return list(value)


def _print_items(field: FieldDescriptor, items: Sequence[Any], *, most: int) -> None:
    shown = items[:most]
    if shown and field.message_type is not None and field.message_type.full_name == _AUDIT_EVENT:
        rows = [audit_events.cells(item) for item in shown]
        print_table(audit_events.COLUMNS, rows, right=audit_events.RIGHT)
    elif shown and isinstance(shown[0], Message) and not is_plain(shown[0]):
        columns = [c for c in shown[0].DESCRIPTOR.fields if c.name not in _LEFT_OUT_OF_TABLES]
        # A column without any value says nothing.
        used = [c for c in columns if any(_cell(c, item) for item in shown)]
        numbers = [_heading(c) for c in used if c.type in _NUMBERS and not c.is_repeated]
        rows = [[_cell(column, item) for column in used] for item in shown]
        print_table([_heading(column) for column in used], rows, right=numbers)
    else:
        for item in shown:
            click.echo(item_text(field, item))
    if len(items) > len(shown):
        click.echo(f"and {len(items) - len(shown)} more (--json shows all)", err=True)


_NUMBERS = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_DOUBLE,
    FieldDescriptor.TYPE_FLOAT,
)


def _cell(column: FieldDescriptor, item: Message) -> str:
    if column.is_repeated:
        values = getattr(item, column.name)
        text = ", ".join(item_text(column, value) for value in values)
        # One long list would fold every line of the table; its length says enough.
        return text if len(text) <= _LIST_IN_CELL else f"{len(values)}"
    if column.has_presence and not item.HasField(column.name):
        return ""
    text = brief(fact_of(column, getattr(item, column.name)).value)
    is_time = column.message_type is not None and column.message_type.name == "Timestamp"
    # Seconds would only make the table wider.
    return text[:-3] if is_time else text


def _heading(column: FieldDescriptor) -> str:
    return words(column.name).removesuffix(" bytes")


def print_stream_item(message: Message, *, as_json: bool) -> None:
    """Prints one answer of a stream: a line of JSON, or the answer for people."""
    if as_json:
        print_json(message, compact=True)
        sys.stdout.flush()
    else:
        print_answer(message)
