"""Checks messages against the `rules` that their fields state in the proto."""

import math
import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions
from google.protobuf.message import Message

from toolmesh.options.v1 import options_pb2

_NUMBERS = frozenset(
    {
        FieldDescriptor.TYPE_DOUBLE,
        FieldDescriptor.TYPE_FLOAT,
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED32,
        FieldDescriptor.TYPE_SFIXED64,
    }
)

# Says what is wrong with one value; the text ends the sentence "<field> ...".
_Check = Callable[[Any], str | None]
# A request with a thousand bad items is told of the first ones.
_MOST_VIOLATIONS = 20


class RuleError(Exception):
    """A field states a rule that its type cannot have; the message names the field."""


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

    Raises:
        RuleError: a rule does not fit its field.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._fields: list[_FieldCheck] = []
        types: dict[str, FieldRules] = {}
        self._compile(descriptor, types)
        _forget_unruled(types.values())

    def _compile(self, descriptor: Descriptor, types: dict[str, "FieldRules"]) -> None:
        types[descriptor.full_name] = self
        for field in descriptor.fields:
            stated = rules_of(field)
            message = (map_value(field) or field).message_type
            nested = None if message is None else self._nested(message, types)
            if stated is not None or nested is not None:
                self._fields.append(_FieldCheck(field, stated, nested))

    @classmethod
    def _nested(cls, descriptor: Descriptor, types: dict[str, "FieldRules"]) -> "FieldRules":
        if descriptor.full_name not in types:
            rules = cls.__new__(cls)
            rules._fields = []
            rules._compile(descriptor, types)
        return types[descriptor.full_name]

    @property
    def fields(self) -> "list[_FieldCheck]":
        """The fields to look at."""
        return self._fields

    def keep(self, ruled: Set["FieldRules"]) -> None:
        """Forgets the fields that neither have a rule nor hold one of the `ruled` types."""
        self._fields = [check for check in self._fields if check.matters(ruled)]

    def violations(self, message: Message, *, limit: int = _MOST_VIOLATIONS) -> list[Violation]:
        """The fields of `message` that break a rule, in field order, at most `limit`.

        Every call of every service pays for this, so nothing is made for a message that is right.
        """
        found: list[Violation] = []
        self.collect(message, "", found, limit)
        return found[:limit]

    def collect(self, message: Message, prefix: str, found: list[Violation], limit: int) -> None:
        """Adds to `found` until there are `limit` or a few more."""
        for check in self._fields:
            if len(found) < limit:
                check.collect(message, prefix, found, limit)


def _forget_unruled(types: Iterable[FieldRules]) -> None:
    # A type is ruled when a rule can be reached from it. Types may hold each other in circles, so
    # this is told only once all are read, starting from those that state a rule themselves.
    ruled: set[FieldRules] = set()
    rest = set(types)
    while grown := {kind for kind in rest if any(check.matters(ruled) for check in kind.fields)}:
        ruled |= grown
        rest -= grown
    for kind in ruled | rest:
        kind.keep(ruled)


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
        self._map = map_value(field) is not None
        self._presence = field.has_presence
        self._stated = stated
        self._required = stated is not None and stated.required
        self._nested = nested
        self._value_checks = tuple(_value_checks(field, stated)) if stated else ()

    def matters(self, ruled: Set[FieldRules]) -> bool:
        """Whether there is a rule here or, as `ruled` tells, below."""
        return self._stated is not None or self._nested in ruled

    def collect(self, message: Message, prefix: str, found: list[Violation], limit: int) -> None:
        """Adds what is wrong with the field in `message`; see `FieldRules.collect`."""
        value = getattr(message, self._name)
        if self._repeated:
            self._collect_items(value, f"{prefix}{self._name}", found, limit)
        elif not (message.HasField(self._name) if self._presence else value):
            if self._required:
                found.append(Violation(f"{prefix}{self._name}", "is required"))
        else:
            for check in self._value_checks:
                if wrong := check(value):
                    found.append(Violation(f"{prefix}{self._name}", wrong))
            if self._nested is not None:
                self._nested.collect(value, f"{prefix}{self._name}.", found, limit)

    def _collect_items(self, items: Any, path: str, found: list[Violation], limit: int) -> None:
        if self._stated is not None:
            fewest = fewest_items(self._stated)
            if len(items) < fewest:
                wrong = f"needs at least {fewest} item{'s' * (fewest > 1)}"
                found.append(Violation(path, wrong))
            if self._stated.HasField("max_items") and len(items) > self._stated.max_items:
                # Its items are not looked at: the list may be huge.
                wrong = f"has {len(items)} items, at most {self._stated.max_items}"
                found.append(Violation(path, wrong))
                return
        if not self._value_checks and self._nested is None:
            return
        for key, item in items.items() if self._map else enumerate(items):
            if len(found) >= limit:
                return
            for check in self._value_checks:
                if wrong := check(item):
                    found.append(Violation(f"{path}[{key}]", wrong))
            if self._nested is not None:
                self._nested.collect(item, f"{path}[{key}].", found, limit)


def fewest_items(stated: options_pb2.FieldRules) -> int:
    """How many items a repeated field needs."""
    return max(stated.min_items, int(stated.required))


def map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    """The field of a map's values; None when `field` is no map."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return entry.fields_by_name["value"]


def _value_checks(field: FieldDescriptor, stated: options_pb2.FieldRules) -> Iterable[_Check]:
    kind = (map_value(field) or field).type
    if stated.HasField("min") or stated.HasField("max"):
        _require(kind in _NUMBERS, field, "min and max are for numbers")
        low = stated.min if stated.HasField("min") else float("-inf")
        high = stated.max if stated.HasField("max") else float("inf")
        yield partial(_outside, low=low, high=high)
    if stated.HasField("min_len") or stated.HasField("max_len"):
        texts = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
        _require(kind in texts, field, "min_len and max_len are for strings and bytes")
        unit = "bytes" if kind == FieldDescriptor.TYPE_BYTES else "characters"
        fewest = stated.min_len
        most = stated.max_len if stated.HasField("max_len") else float("inf")
        yield partial(_length, fewest=fewest, most=most, unit=unit)
    if stated.pattern:
        _require(kind == FieldDescriptor.TYPE_STRING, field, "pattern is for strings")
        yield partial(_mismatch, pattern=_compiled(stated.pattern, field))
    if stated.HasField("min_items") or stated.HasField("max_items"):
        _require(field.is_repeated, field, "min_items and max_items are for repeated fields")


def _require(fits: bool, field: FieldDescriptor, rule: str) -> None:
    if not fits:
        raise RuleError(f"{field.full_name}: {rule}")


def _compiled(pattern: str, field: FieldDescriptor) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise RuleError(f"{field.full_name}: pattern {pattern!r}: {error}") from None


def _outside(value: float, *, low: float, high: float) -> str | None:
    if low <= value <= high:  # which NaN is not
        return None
    bounds = [
        f"{name} {bound:.15g}"
        for name, bound in (("at least", low), ("at most", high))
        if math.isfinite(bound)
    ]
    return f"is {value:.15g}, must be {' and '.join(bounds)}"


def _length(value: str | bytes, *, fewest: int, most: float, unit: str) -> str | None:
    if len(value) > most:
        return f"has {len(value)} {unit}, at most {most}"
    if len(value) < fewest:
        return f"has {len(value)} {unit}, at least {fewest}"
    return None


def _mismatch(value: str, *, pattern: re.Pattern[str]) -> str | None:
    return None if pattern.fullmatch(value) else f"must match {pattern.pattern}"
