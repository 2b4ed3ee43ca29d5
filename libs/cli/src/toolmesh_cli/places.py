"""Shows places in code as compilers do: `path:line:column`, what is there, and its text."""

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import click
from google.protobuf.descriptor import FieldDescriptor

Told = Callable[[FieldDescriptor, Any], str]

# What is longer stands on lines of its own.
_SHORT = 60
_CODE = ("code", "lines", "text")
_DIGEST = re.compile(r"[0-9a-f]{32,}")
_LINES = ("start_line", "line")
_COLUMNS = ("start_column", "column")
# They stand in the place, or say no more than it.
_IN_PLACE = ("path", *_LINES, *_COLUMNS, "end_line", "end_column", "code_start_line")


def is_place(field: FieldDescriptor) -> bool:
    """Whether the field is of places in code: each has a path, and a line or a range of lines."""
    if not _has_path(field):
        return False
    fields: Mapping[str, Any] = _fields(field)
    return _has_line(fields) or _range_of(fields) is not None


def places_inside(field: FieldDescriptor) -> FieldDescriptor | None:
    """The list of places in files, for a field of files: each has a line there, and no path."""
    if not _has_path(field):
        return None
    inner = (f for f in _fields(field).values() if f.is_repeated and f.message_type is not None)
    return next((f for f in inner if _has_line(_fields(f))), None)


def print_place(message: Any, told: Told, *, path: str = "", err: bool = False) -> None:
    """Prints one place to stdout or stderr.

    Args:
        told: says a field's value, or one of its values, in words.
        path: the file that the place is in; empty: the message has it.
    """
    _print(message, told, path or message.path, err=err)


def print_file(message: Any, told: Told, inside: FieldDescriptor) -> None:
    """Prints a file to stdout, and then the places in it."""
    _print(message, told, message.path, apart=inside.name)
    for place in getattr(message, inside.name):
        print_place(place, told, path=message.path)


def _print(message: Any, told: Told, path: str, *, apart: str = "", err: bool = False) -> None:
    spot = _range_of(message.DESCRIPTOR.fields_by_name)
    notes: list[str] = []
    texts: list[str] = []
    for field, value in message.ListFields():
        if field.name in (*_IN_PLACE, apart) or field is spot:
            continue
        text = _text(field, value, told)
        if not _DIGEST.fullmatch(text):
            alone = field.name in _CODE or "\n" in text or len(text) > _SHORT
            (texts if alone else notes).append(text)
    place = message if spot is None else getattr(message, spot.name)
    numbers = [_first(place, names) for names in (_LINES, _COLUMNS)]
    where = ":".join((path, *(str(number) for number in numbers if number)))
    click.echo("  ".join((click.style(where, bold=True), *notes)), err=err)
    for text in texts:
        click.echo(textwrap.indent(textwrap.dedent(text.rstrip("\n")), "    "), err=err)


def _fields(field: FieldDescriptor) -> Mapping[str, Any]:
    message: Any = field.message_type
    return message.fields_by_name


def _has_path(field: FieldDescriptor) -> bool:
    path = _fields(field).get("path") if field.message_type is not None else None
    return path is not None and path.type == FieldDescriptor.TYPE_STRING and not path.is_repeated


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


def _text(field: FieldDescriptor, value: Any, told: Told) -> str:
    name = field.name.replace("_", " ")
    if isinstance(value, bool):
        return name
    values = list(value) if field.is_repeated else [value]
    text = ", ".join(told(field, item) for item in values)
    # A bare number would not say what it counts.
    is_number = isinstance(values[0], int | float) and field.enum_type is None
    return f"{name} {text}" if is_number else text
