"""Checks messages against the `rules` that their fields state in the proto."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions
from google.protobuf.message import Message

from toolmesh.options.v1 import options_pb2

# Yields what is wrong with one value; the text ends the sentence "<field> ...".
_Check = Callable[[Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A field that breaks a rule: its path (`files[3].path`, proto names) and what to do."""

    field: str
    description: str


def rules_of(field: FieldDescriptor) -> options_pb2.FieldRules | None:
    """The rules that a field states, or None."""
    options = field.GetOptions()
    if not options.HasExtension(options_pb2.rules):
        # A descriptor from a pool of its own knows the option as bytes only: read them again.
        options = FieldOptions.FromString(options.SerializeToString())
        if not options.HasExtension(options_pb2.rules):
            return None
    return options.Extensions[options_pb2.rules]


class FieldRules:
    """The compiled rules of one message type, nested messages included.

    Compiling costs some microseconds a field and is done once a type; a check touches only the
    fields that have rules.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._fields: list[_FieldCheck] = []
        self._compile(descriptor, seen={})

    @classmethod
    def _of(cls, descriptor: Descriptor, seen: dict[str, "FieldRules"]) -> "FieldRules":
        if descriptor.full_name not in seen:
            rules = cls.__new__(cls)
            rules._fields = []
            rules._compile(descriptor, seen=seen)
        return seen[descriptor.full_name]

    def _compile(self, descriptor: Descriptor, *, seen: dict[str, "FieldRules"]) -> None:
        seen[descriptor.full_name] = self
        for field in descriptor.fields:
            nested = None
            message = field.message_type
            if message is not None and not message.GetOptions().map_entry:
                nested = self._of(message, seen)
            stated = rules_of(field)
            if stated is not None or nested is not None:
                self._fields.append(_FieldCheck(field, stated, nested))
        # A nested type without any rule below it need not be visited; a recursive type may.
        self._fields = [check for check in self._fields if check.matters(frozenset({id(self)}))]

    @property
    def fields(self) -> "list[_FieldCheck]":
        """The fields to look at."""
        return self._fields

    def violations(self, message: Message, *, prefix: str = "") -> Iterator[Violation]:
        """Yields every field of `message` that breaks a rule, in field order."""
        for check in self._fields:
            yield from check.violations(message, prefix)


class _FieldCheck:
    """The rules of one field."""

    def __init__(
        self,
        field: FieldDescriptor,
        stated: options_pb2.FieldRules | None,
        nested: FieldRules | None,
    ) -> None:
        self._name = field.name
        self._repeated = field.is_repeated
        self._presence = field.has_presence
        self._stated = stated
        self._nested = nested
        self._value_checks = tuple(_value_checks(field, stated)) if stated else ()

    def matters(self, visiting: frozenset[int]) -> bool:
        """Whether there is any rule here or below."""
        if self._stated is not None:
            return True
        if self._nested is None or id(self._nested) in visiting:
            return False
        inner = visiting | {id(self._nested)}
        return any(check.matters(inner) for check in self._nested.fields)

    def violations(self, message: Message, prefix: str) -> Iterator[Violation]:
        """Yields what is wrong with the field in `message`."""
        path = f"{prefix}{self._name}"
        if self._repeated:
            yield from self._list_violations(getattr(message, self._name), path)
        elif self._is_unset(message):
            if self._stated is not None and self._stated.required:
                yield Violation(path, "is required")
        else:
            yield from self._value_violations(getattr(message, self._name), path)

    def _is_unset(self, message: Message) -> bool:
        if self._presence:
            return not message.HasField(self._name)
        return not getattr(message, self._name)

    def _list_violations(self, items: Any, path: str) -> Iterator[Violation]:
        if self._stated is not None:
            fewest = 1 if self._stated.required else self._stated.min_items
            if len(items) < fewest:
                yield Violation(path, f"needs at least {fewest} item{'s' * (fewest > 1)}")
            if self._stated.HasField("max_items") and len(items) > self._stated.max_items:
                # Its items are not looked at: the list may be huge.
                yield Violation(path, f"has {len(items)} items, at most {self._stated.max_items}")
                return
        if self._value_checks or self._nested is not None:
            for index, item in enumerate(items):
                yield from self._value_violations(item, f"{path}[{index}]")

    def _value_violations(self, value: Any, path: str) -> Iterator[Violation]:
        for check in self._value_checks:
            for description in check(value):
                yield Violation(path, description)
        if self._nested is not None:
            yield from self._nested.violations(value, prefix=f"{path}.")


def _value_checks(field: FieldDescriptor, stated: options_pb2.FieldRules) -> Iterable[_Check]:
    if stated.HasField("min") or stated.HasField("max"):
        low = stated.min if stated.HasField("min") else float("-inf")
        high = stated.max if stated.HasField("max") else float("inf")
        yield lambda value: _outside(value, low=low, high=high)
    if stated.HasField("min_len") or stated.HasField("max_len"):
        unit = "bytes" if field.type == FieldDescriptor.TYPE_BYTES else "characters"
        fewest = stated.min_len
        most = stated.max_len if stated.HasField("max_len") else float("inf")
        yield lambda value: _length(value, fewest=fewest, most=most, unit=unit)
    if stated.pattern:
        pattern = re.compile(stated.pattern)
        yield lambda value: _mismatch(value, pattern=pattern)


def _outside(value: float, *, low: float, high: float) -> Iterator[str]:
    # Written so that NaN is outside, too.
    if not low <= value <= high:
        bounds = [
            f"{name} {bound:.15g}"
            for name, bound in (("at least", low), ("at most", high))
            if math.isfinite(bound)
        ]
        yield f"is {value:.15g}, must be {' and '.join(bounds)}"


def _length(value: str | bytes, *, fewest: int, most: float, unit: str) -> Iterator[str]:
    if len(value) > most:
        yield f"has {len(value)} {unit}, at most {most}"
    elif len(value) < fewest:
        yield f"has {len(value)} {unit}, at least {fewest}"


def _mismatch(value: str, *, pattern: re.Pattern[str]) -> Iterator[str]:
    if not pattern.fullmatch(value):
        yield f"must match {pattern.pattern}"
