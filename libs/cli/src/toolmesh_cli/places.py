"""Shows places in code as compilers do: `path:line:column`, what is there, and its text."""

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import click
from google.protobuf.descriptor import FieldDescriptor

# What is longer stands on lines of its own.
_SHORT = 60
_CODE = ("code", "lines", "text")
_DIGEST = re.compile(r"[0-9a-f]{32,}")
_LINES = ("start_line", "line")
_COLUMNS = ("start_column", "column")
# They stand in the place, or say no more than it.
_IN_PLACE = ("path", *_LINES, *_COLUMNS, "end_line", "end_column", "code_start_line")


def is_place(field: FieldDescriptor) -> bool:
    """Whether a list is of places in code: each has a path, and a line or a range of lines."""
    if not field.is_repeated or field.message_type is None:
        return False
    fields = field.message_type.fields_by_name
    path = fields.get("path")
    is_path = path is not None and path.type == FieldDescriptor.TYPE_STRING
    return is_path and not path.is_repeated and (_has_line(fields) or _range_of(fields) is not None)


def print_place(
    message: Any, told: Callable[[FieldDescriptor, Any], str], *, err: bool = False
) -> None:
    """Prints one place to stdout or stderr; `told` says a field's value, or one of them."""
    spot = _range_of(message.DESCRIPTOR.fields_by_name)
    notes: list[str] = []
    texts: list[str] = []
    for field, value in message.ListFields():
        if field.name in _IN_PLACE or field is spot:
            continue
        text = _text(field, value, told)
        if not _DIGEST.fullmatch(text):
            apart = field.name in _CODE or "\n" in text or len(text) > _SHORT
            (texts if apart else notes).append(text)
    place = message if spot is None else getattr(message, spot.name)
    numbers = [_first(place, names) for names in (_LINES, _COLUMNS)]
    where = ":".join((message.path, *(str(number) for number in numbers if number)))
    click.echo("  ".join((click.style(where, bold=True), *notes)), err=err)
    for text in texts:
        click.echo(textwrap.indent(textwrap.dedent(text.rstrip("\n")), "    "), err=err)


def _has_line(fields: Mapping[str, Any]) -> bool:
    return any(name in fields for name in _LINES)


def _range_of(fields: Mapping[str, Any]) -> FieldDescriptor | None:
    field = fields.get("range")
    if field is None or field.message_type is None or field.is_repeated:
        return None
    return field if _has_line(field.message_type.fields_by_name) else None


def _first(place: Any, names: tuple[str, ...]) -> int:
    there = (name for name in names if name in place.DESCRIPTOR.fields_by_name)
    name = next(there, None)
    return 0 if name is None else getattr(place, name)


def _text(field: FieldDescriptor, value: Any, told: Callable[[FieldDescriptor, Any], str]) -> str:
    name = field.name.replace("_", " ")
    if isinstance(value, bool):
        return name
    if field.is_repeated:
        return ", ".join(told(field, item) for item in value)
    is_number = isinstance(value, int | float) and field.enum_type is None
    return f"{name} {told(field, value)}" if is_number else told(field, value)
