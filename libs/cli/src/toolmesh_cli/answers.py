"""Shows an answer: its text if it has one, tables and facts else, or its JSON."""

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

import click
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from toolmesh_cli import audit_events
from toolmesh_cli.arguments import kebab
from toolmesh_cli.pages import count_of
from toolmesh_cli.places import is_place, print_place
from toolmesh_cli.secrets import is_secret
from toolmesh_cli.tables import print_pairs, print_table
from toolmesh_cli.wording import size, span

_LONG_TEXT = 200
_ROWS_SHOWN = 200
_ITEMS_IN_LINE = 20
_LIST_IN_CELL = 32
# Beside the time of creation it says little, and lines that fold are hard to read.
_LEFT_OUT_OF_TABLES = ("update_time",)
# Beside a text, lists are notes in the margin.
_ROWS_SHOWN_BESIDE_TEXT = 10

_DIGEST = re.compile(r"[0-9a-f]{40,}")
_BODY = HttpBody.DESCRIPTOR.full_name
# Its two kinds have nothing in common, so columns made of its fields would be half empty.
_AUDIT_EVENT = "toolmesh.audit.v1.AuditEvent"

# What a list goes on with; `pages` says what to do with it.
_FOR_PROGRAMS = ("next_page_token",)

Fact = tuple[str, str]


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
    places = next((field for field, _ in _lists(message) if is_place(field)), None)
    if places is not None:
        for place in getattr(message, places.name):
            print_place(place, _item)
        _print_margin(message, places.name)
        return
    _print_facts(message)


def _print_facts(message: Message) -> None:
    """The single values, then the lists as tables."""
    pairs, tables = list(_facts(message)), []
    for field, items in _lists(message):
        if items and len(items) <= _ITEMS_IN_LINE and not isinstance(items[0], Message):
            pairs.append((_words(field.name), ", ".join(_item(field, item) for item in items)))
        else:
            tables.append((field, items))
    if pairs:
        print_pairs(pairs)
    for field, items in tables:
        if not items and pairs:
            continue
        if pairs or len(tables) > 1:
            click.echo(f"\n{_words(field.name)}:" if pairs else f"{_words(field.name)}:")
        # How many items of a list that comes in pages are shown, the caller has said.
        paged = "next_page_token" in message.DESCRIPTOR.fields_by_name
        _print_items(field, items, most=len(items) if paged else _ROWS_SHOWN)
    if not pairs and not any(items for _, items in tables):
        click.echo("nothing" if tables else "done", err=True)


def _print_secrets(message: Message, secrets: Sequence[FieldDescriptor]) -> None:
    """The secrets to stdout and all else to stderr: `> key.txt` keeps the key and nothing more."""
    names = {_words(field.name) for field in secrets}
    print_pairs(
        [(name, value) for name, value in _all_facts(message) if name not in names], err=True
    )
    click.echo(click.style("Keep it now: it is not shown again.", fg="yellow"), err=True)
    for field in secrets:
        click.echo(getattr(message, field.name))


def _all_facts(message: Message) -> Iterator[Fact]:
    """The single values, and the lists as one value each."""
    yield from _facts(message)
    for field, items in _lists(message):
        if items:
            yield _words(field.name), ", ".join(_item(field, item) for item in items)


def _long_text(message: Any) -> tuple[str | bytes, str] | None:
    """The text that the answer is about and the name of its field."""
    for field, value in message.ListFields():
        if isinstance(value, Message) and value.DESCRIPTOR.full_name == _BODY:
            return value.data, field.name
        single = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
        if single and ("\n" in value or len(value) > _LONG_TEXT):
            return value, field.name
    return None


def _write(content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    stdout = sys.stdout.buffer
    stdout.write(data if data.endswith(b"\n") else data + b"\n")
    stdout.flush()


def _print_margin(message: Message, skipped: str) -> None:
    stated = (fact for fact in _facts(message) if fact[0] != _words(skipped))
    facts = [phrase for name, value in stated if (phrase := _phrase(name, value))]
    if facts:
        click.echo(click.style(" · ".join(facts), dim=True), err=True)
    for field, items in _lists(message):
        if field.name == skipped or not items:
            continue
        if is_place(field):
            # No note in the margin: what was asked for, beside the text that was made of it.
            for place in items:
                print_place(place, _item, err=True)
            continue
        click.echo(click.style(f"{_words(field.name)}:", dim=True), err=True)
        for item in items[:_ROWS_SHOWN_BESIDE_TEXT]:
            click.echo(click.style(f"  {_item(field, item)}", dim=True), err=True)
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


def _phrase(name: str, value: str) -> str:
    """A fact as a part of a sentence: `119 tokens`, `truncated`, `snapshot 1a2b…`."""
    if name.endswith(" count"):
        what = name.removesuffix(" count")
        # Of what is named by what was done to it there is no plural.
        return f"{value} {what}{'' if value == '1' or what.endswith('ed') else 's'}"
    if value in ("yes", "no"):
        return name if value == "yes" else ""
    return f"{name} {_brief(value)}"


def _facts(message: Any, prefix: str = "") -> Iterator[Fact]:
    """The single values; those of a nested message have its name before them if need be."""
    own = {field.name for field in message.DESCRIPTOR.fields}
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or (field.has_presence and not message.HasField(field.name)):
            continue
        value = getattr(message, field.name)
        if isinstance(value, Message) and not _is_plain(value):
            apart = own.isdisjoint(inner.name for inner in value.DESCRIPTOR.fields)
            yield from _facts(value, prefix if apart else f"{prefix}{_words(field.name)} ")
        elif value != "" and field.name not in _FOR_PROGRAMS:
            yield _fact(field, value, prefix)


def _lists(message: Any) -> Iterator[tuple[FieldDescriptor, Sequence[Any]]]:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            yield field, _items(field, value)
        elif isinstance(value, Message) and not _is_plain(value) and message.HasField(field.name):
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
    elif shown and isinstance(shown[0], Message) and not _is_plain(shown[0]):
        columns = [c for c in shown[0].DESCRIPTOR.fields if c.name not in _LEFT_OUT_OF_TABLES]
        # A column without any value says nothing.
        used = [c for c in columns if any(_cell(c, item) for item in shown)]
        numbers = [_heading(c) for c in used if c.type in _NUMBERS and not c.is_repeated]
        rows = [[_cell(column, item) for column in used] for item in shown]
        print_table([_heading(column) for column in used], rows, right=numbers)
    else:
        for item in shown:
            click.echo(_item(field, item))
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
        text = ", ".join(_item(column, value) for value in values)
        # One long list would fold every line of the table; its length says enough.
        return text if len(text) <= _LIST_IN_CELL else f"{len(values)}"
    if column.has_presence and not item.HasField(column.name):
        return ""
    text = _brief(_fact(column, getattr(item, column.name), "")[1])
    is_time = column.message_type is not None and column.message_type.name == "Timestamp"
    # Seconds would only make the table wider.
    return text[:-3] if is_time else text


def _heading(column: FieldDescriptor) -> str:
    return _words(column.name).removesuffix(" bytes")


def _brief(value: str) -> str:
    """A digest's beginning tells it apart; 64 digits of it only fill the line."""
    return f"{value[:12]}…" if _DIGEST.fullmatch(value) else value


def _item(field: FieldDescriptor, item: Any) -> str:
    if isinstance(item, Message) and not _is_plain(item):
        return " · ".join(value for _, value in _facts(item) if value)
    return _fact(field, item, "")[1]


def _fact(field: Any, value: Any, prefix: str) -> Fact:
    """A field's name and value as people read them; units go from the name to the value."""
    name = prefix + _words(field.name)
    if isinstance(value, Message):
        return name, _plain_text(value)
    if field.enum_type is not None:
        return name, enum_text(field.enum_type, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _measured(name, value)
    return name, _scalar_text(value)


def _measured(name: str, value: int) -> Fact:
    for unit, text in (
        (" millis", f"{value:,} ms"),
        (" seconds", f"{value:,} s"),
        (" bytes", size(value)),
    ):
        if name.endswith(unit):
            return name.removesuffix(unit), text
    return name, f"{value:,}"


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.hex() if isinstance(value, bytes) else str(value)


def enum_text(enum: EnumDescriptor, value: int) -> str:
    """A value of an enum in words."""
    known = enum.values_by_number.get(value)
    if known is None:
        return str(value)
    prefix = f"{kebab(enum.name)}-"
    return kebab(known.name).removeprefix(prefix).replace("-", " ")


def _is_plain(message: Message) -> bool:
    return message.DESCRIPTOR.full_name.startswith("google.protobuf.")


def _plain_text(message: Message) -> str:
    kind = message.DESCRIPTOR.name
    plain: Any = message
    if kind == "Timestamp":
        stated = plain.ToDatetime(tzinfo=UTC).astimezone()
        return f"{stated:%Y-%m-%d %H:%M:%S}"
    if kind == "Duration":
        return span(plain.ToTimedelta().total_seconds())
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def _words(name: str) -> str:
    return name.replace("_", " ")


def print_stream_item(message: Message, *, as_json: bool) -> None:
    """Prints one answer of a stream: a line of JSON, or the answer for people."""
    if as_json:
        print_json(message, compact=True)
        sys.stdout.flush()
    else:
        print_answer(message)
