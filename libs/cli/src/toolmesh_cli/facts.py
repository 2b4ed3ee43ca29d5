"""What the fields of a message say, as people read it: a name, a value, a phrase."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from toolmesh_cli.arguments import kebab
from toolmesh_cli.mesh_contract import contract
from toolmesh_cli.wording import size, span

_DIGEST: Final = re.compile(r"[0-9a-f]{40,}")
_COUNT: Final = " count"
_HOW_MANY: Final = "How many "
# What a list goes on with; `pages` says what to do with it.
_FOR_PROGRAMS: Final = ("next_page_token",)


@dataclass(frozen=True)
class Fact:
    """A field in words; the name has no unit, the value does."""

    name: str
    value: str
    field: FieldDescriptor


def facts_of(message: Any, prefix: str = "") -> Iterator[Fact]:
    """The single values; those of a nested message have its name before them if need be."""
    own = {field.name for field in message.DESCRIPTOR.fields}
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or (field.has_presence and not message.HasField(field.name)):
            continue
        value = getattr(message, field.name)
        if isinstance(value, Message) and not is_plain(value):
            apart = own.isdisjoint(inner.name for inner in value.DESCRIPTOR.fields)
            yield from facts_of(value, prefix if apart else f"{prefix}{words(field.name)} ")
        elif value != "" and field.name not in _FOR_PROGRAMS:
            yield fact_of(field, value, prefix)


def fact_of(field: Any, value: Any, prefix: str = "") -> Fact:
    """A field's name and value, or one of its values; units go from the name to the value."""
    name = prefix + words(field.name)
    if isinstance(value, Message):
        return Fact(name, _plain_text(value), field)
    if field.enum_type is not None:
        return Fact(name, enum_text(field.enum_type, value), field)
    if isinstance(value, int) and not isinstance(value, bool):
        return Fact(*_measured(name, value), field)
    return Fact(name, _scalar_text(value), field)


def item_text(field: FieldDescriptor, item: Any) -> str:
    """One value of a field, on a line."""
    if isinstance(item, Message) and not is_plain(item):
        return " · ".join(filter(None, map(_in_line, facts_of(item))))
    return fact_of(field, item).value


def _in_line(fact: Fact) -> str:
    # A bare `yes` says nothing of what.
    return phrase(fact) if fact.field.type == FieldDescriptor.TYPE_BOOL else fact.value


def phrase(fact: Fact) -> str:
    """A fact as a part of a sentence: `119 tokens`, `truncated`; empty: nothing worth saying."""
    if fact.name.endswith(_COUNT):
        return _counted(fact)
    if fact.value in ("yes", "no"):
        return fact.name if fact.value == "yes" else ""
    return f"{fact.name} {brief(fact.value)}"


def _counted(fact: Fact) -> str:
    what = fact.name.removesuffix(_COUNT)
    if _is_part(fact.field):
        return f"{fact.value} {what}{_plural(fact)}" if fact.value != "0" else ""
    # A name may say why something is counted and not what: the comment does.
    stated = contract().comments.of(fact.field.full_name).partition(".")[0]
    noun = f"{what.rpartition(' ')[2]}s"
    if stated.startswith(_HOW_MANY) and not what.endswith("ed") and noun not in stated:
        return f"{stated.removeprefix(_HOW_MANY)}: {fact.value}" if fact.value != "0" else ""
    return f"{fact.value} {what}{_plural(fact)}"


def _plural(fact: Fact) -> str:
    # Of what is named by what was done to it there is no plural.
    return "" if fact.value == "1" or fact.name.endswith(f"ed{_COUNT}") else "s"


def _is_part(field: Any) -> bool:
    """Whether another field of the message counts these and others: `file_count` is such a one."""
    others = (other.name for other in field.containing_type.fields if other is not field)
    return any(field.name.endswith(f"_{name}") for name in others)


def brief(value: str) -> str:
    """A digest's beginning tells it apart; 64 digits of it only fill the line."""
    return f"{value[:12]}…" if _DIGEST.fullmatch(value) else value


def words(name: str) -> str:
    """A field's name as words."""
    return name.replace("_", " ")


def is_plain(message: Message) -> bool:
    """Whether the message is a value of its own, such as a time."""
    return message.DESCRIPTOR.full_name.startswith("google.protobuf.")


def _measured(name: str, value: int) -> tuple[str, str]:
    for unit, text in (
        (" millis", f"{value:,} ms"),
        (" seconds", f"{value:,} s"),
        (" bytes", size(value)),
    ):
        if name.endswith(unit):
            return name.removesuffix(unit), text
    # What is no amount, such as a line, is not parted: in a list that would read as two numbers.
    return name, f"{value:,}" if name.endswith(_COUNT) else str(value)


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


def _plain_text(message: Message) -> str:
    kind = message.DESCRIPTOR.name
    plain: Any = message
    if kind == "Timestamp":
        stated = plain.ToDatetime(tzinfo=UTC).astimezone()
        return f"{stated:%Y-%m-%d %H:%M:%S}"
    if kind == "Duration":
        return span(plain.ToTimedelta().total_seconds())
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)
