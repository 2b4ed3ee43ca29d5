"""Reads many items of one type from a file: CSV with a head line, JSON lines, or a JSON list."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from toolmesh_cli.arguments import kebab, typed_value
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_contracts.field_rules import FieldRules

_MOST_FAULTS_SHOWN: Final = 20


@dataclass(frozen=True)
class Rows:
    """The items of a file.

    Attributes:
        field: the list that they are for.
        items: their JSON form.
        lines: the line of the file that each begins in, from 1 on.
    """

    field: FieldDescriptor
    items: Sequence[dict[str, Any]]
    lines: Sequence[int]


def read_rows(name: str, field: FieldDescriptor) -> Rows:
    """The items for a list of messages, each checked by the rules of its fields.

    Args:
        name: the file; `-` is stdin.

    Raises:
        CliError: it cannot be read, or rows are wrong; each is named by its line.
    """
    text = _text(name)
    numbered = list(_json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text, field))
    if not numbered:
        raise CliError(f"{name} holds no rows", exit_code=ExitCode.USAGE)
    faults = [fault for line, row in numbered for fault in _faults(line, row, _item_of(field))]
    if faults:
        more = len(faults) - _MOST_FAULTS_SHOWN
        shown = faults[:_MOST_FAULTS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        count = len({fault.partition(":")[0] for fault in faults})
        raise CliError(
            f"{count} of {len(numbered)} rows of {name} are wrong; nothing was sent",
            exit_code=ExitCode.INVALID,
            details=shown,
        )
    return Rows(field, [row for _, row in numbered], [line for line, _ in numbered])


def _item_of(field: FieldDescriptor) -> Any:
    """The message type of an item."""
    return field.message_type


def _text(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        # Spreadsheets begin a file with a mark of its encoding.
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CliError(f"{name} cannot be read: {reason}", exit_code=ExitCode.USAGE) from None


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    whole = _parsed(text)
    if isinstance(whole, dict):
        # What `--json` printed: an answer around a list.
        lists = [value for value in whole.values() if isinstance(value, list)]
        whole = lists[0] if len(lists) == 1 else None
    if isinstance(whole, list):
        yield from enumerate(whole, start=1)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _parsed(line)


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _csv_rows(text: str, field: FieldDescriptor) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    columns = [_column(title.strip(), _item_of(field)) for title in next(reader, [])]
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) > len(columns):
            yield reader.line_num, f"{len(cells)} cells, but {len(columns)} columns"
            continue
        try:
            filled = [(c, cell.strip()) for c, cell in zip(columns, cells, strict=False)]
            yield reader.line_num, {c.name: _cell(c, cell) for c, cell in filled if cell}
        except CliError as error:
            yield reader.line_num, error.message


def _column(title: str, descriptor: Descriptor) -> FieldDescriptor:
    for field in descriptor.fields:
        if kebab(title).replace(" ", "-") in (kebab(field.name), kebab(field.json_name)):
            return field
    known = ", ".join(field.name for field in descriptor.fields)
    raise CliError(
        f"line 1: there is no column {title!r}",
        exit_code=ExitCode.USAGE,
        hint=f"the first line names the columns: {known}; a list's items are parted by ;",
    )


def _cell(field: FieldDescriptor, text: str) -> Any:
    # Who wrote the file may not have other files read.
    if not field.is_repeated:
        return typed_value(field, text, files=False)
    items = (item.strip() for item in text.replace(";", ",").split(","))
    return [typed_value(field, item, files=False) for item in items if item]


def _faults(line: int, row: Any, descriptor: Descriptor) -> Iterator[str]:
    if not isinstance(row, dict):
        # A row that could not be read is there as what is wrong with it.
        yield f"line {line}: {row if isinstance(row, str) else 'it is no JSON object'}"
        return
    message = message_factory.GetMessageClass(descriptor)()
    try:
        json_format.ParseDict(row, message, descriptor_pool=descriptor.file.pool)
    except json_format.ParseError as error:
        yield f"line {line}: {error}"
        return
    for violation in FieldRules(descriptor).violations(message):
        yield f"line {line}: {violation.field} {violation.description}"
