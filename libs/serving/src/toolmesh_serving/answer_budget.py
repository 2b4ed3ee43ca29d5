"""Fits answers into token budgets: the whole answer as compact JSON, as the gateway sends it."""

import json
import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

CountTokens = Callable[[str], int]

# What protobuf's JSON writer in C++, which is the transcoder's, escapes besides what JSON must: the
# signs of tags, control characters, and those that are not seen.
_ESCAPED = re.compile(
    "[<>\x7f-\x9f\xad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e"
    "\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f]"
)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def fit_items(
    answer: Any,
    sizes: Iterable[int],
    *,
    show: Callable[[int], None],
    max_tokens: int,
    count_tokens: CountTokens,
) -> bool:
    """Put as many items into an answer as its budget takes, and set its `token_count`.

    `show(n)` puts the first n items into the answer, and all that follows from it. `sizes` are the
    items' tokens, which may be a little wrong; they are asked for one by one while they may fit.

    Returns:
        False when not even one item fits, or, where there is none, the answer without any: then
        the `token_count` says what would be enough.
    """
    show(0)
    settle_token_count(answer, count_tokens)
    sums, has_all = _sums(sizes, max_tokens)
    for count in _counts(sums, max_tokens - answer.token_count, has_all=has_all):
        show(count)
        settle_token_count(answer, count_tokens)
        if answer.token_count <= max_tokens:
            return True
    return False


def settle_token_count(answer: Any, count_tokens: CountTokens) -> None:
    """Set `token_count` to how many tokens the answer has, those of that number included."""
    answer.token_count = 0
    while (count := count_tokens(gateway_json(answer))) > answer.token_count:
        answer.token_count = count


def gateway_json(message: Message) -> str:
    """Return a message as the gateway's transcoder writes it.

    The message has no maps, bytes, 64-bit numbers or well-known types.
    """
    text = _encode(_fields(message))
    if not text.isascii():
        return _ESCAPED.sub(_escape, text)
    # Most texts are, and have three of these signs at most: this takes a tenth of the time.
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("\x7f", r"\u007f")


def _escape(match: re.Match[str]) -> str:
    digits = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))


def _sums(sizes: Iterable[int], most: int) -> tuple[list[int], bool]:
    """Return how many tokens the first n items have, and whether these are all items."""
    sums: list[int] = []
    total = 0
    for size in sizes:
        total += size
        if total > most:
            # One more, for there is at least one that is tried.
            return (sums or [total]), False
        sums.append(total)
    return sums, True


def _counts(sums: Sequence[int], left: int, *, has_all: bool) -> Iterator[int]:
    """Yield how many items to try; the first n have `sums[n - 1]` tokens, or a few less."""
    if has_all:
        # All of them need no token of a next page.
        yield len(sums)
    count = bisect_right(sums, left)
    while count > 1:
        yield count
        count -= max(1, count // 16)
    if sums:
        yield 1


def _fields(message: Message) -> dict[str, Any]:
    """Return all fields in their order; `json_format` has those that are not set at the end."""
    return {
        field.json_name: field.value_of(getattr(message, field.name))
        for field in _fields_of(message.DESCRIPTOR)
        if not field.may_be_missing or message.HasField(field.name)
    }


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field of a kind of message is written."""

    name: str
    json_name: str
    value_of: Callable[[Any], Any]
    may_be_missing: bool


@cache
def _fields_of(kind: Descriptor) -> tuple[_Field, ...]:
    # Asking a descriptor takes longer than writing what it describes.
    return tuple(
        _Field(
            field.name,
            field.json_name,
            _each(_writer(field)) if field.is_repeated else _writer(field),
            field.message_type is not None and not field.is_repeated,
        )
        for field in kind.fields
    )


def _each(write: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: list(map(write, values))


def _writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return _fields
    if field.type == field.TYPE_FLOAT:
        return _shortest
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return names.__getitem__
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _shortest(value: float) -> float | int:
    """Return the number with the fewest digits that is the same one in 32 bits."""
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return int(short) if short.is_integer() else short
    return value
