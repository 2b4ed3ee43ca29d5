"""Fits answers into token budgets: the whole answer as compact JSON, as the gateway sends it."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from google.protobuf.message import Message

from toolmesh_repomap.errors import BudgetTooSmall

CountTokens = Callable[[str], int]


def fit_page(
    answer: Any,
    field: str,
    items: Sequence[Message],
    *,
    next_page_token: Callable[[int], str],
    max_tokens: int,
    count_tokens: CountTokens,
) -> None:
    """Put as many items into a field of an answer as the budget takes, and complete the answer.

    `next_page_token(n)` is the token when n items are shown, empty when these are all. Similar
    names go before the answer fails.

    Raises:
        BudgetTooSmall: not even one item fits, or an answer without any.
    """
    answer.next_page_token = next_page_token(0) if items else ""
    _settle(answer, count_tokens)
    sums = list(accumulate(count_tokens(_json(item)) + 1 for item in items))
    for count in _counts(sums, max_tokens - answer.token_count, max_tokens):
        _show(answer, field, items[:count])
        answer.next_page_token = next_page_token(count)
        _settle(answer, count_tokens)
        if answer.token_count <= max_tokens:
            return
    while not items and getattr(answer, "similar_names", ()):
        answer.similar_names.pop()
        _settle(answer, count_tokens)
        if answer.token_count <= max_tokens:
            return
    raise BudgetTooSmall.of(max_tokens, answer.token_count)


def _counts(sums: Sequence[int], left: int, most: int) -> Iterator[int]:
    """Yield how many items to try; the first n have `sums[n - 1]` tokens, or a few less."""
    if not sums or sums[-1] <= most:
        # All of them need no token of a next page.
        yield len(sums)
    count = bisect_right(sums, left)
    while count > 1:
        yield count
        count -= max(1, count // 16)
    if sums:
        yield 1


def _show(answer: Any, field: str, items: Sequence[Message]) -> None:
    shown = getattr(answer, field)
    del shown[:]
    shown.extend(items)


def _settle(answer: Any, count_tokens: CountTokens) -> None:
    """Set `token_count` to how many tokens the answer has, those of that number included."""
    answer.token_count = 0
    while (count := count_tokens(_json(answer))) > answer.token_count:
        answer.token_count = count


def _json(message: Message) -> str:
    text = json.dumps(_fields(message), ensure_ascii=False, separators=(",", ":"))
    # The gateway's transcoder writes them so.
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _fields(message: Message) -> dict[str, Any]:
    """Return all fields in their order; `json_format` has those that are not set at the end."""
    return {
        field.json_name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
    }


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return list(map(_fields, value)) if field.is_repeated else _fields(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return list(value) if field.is_repeated else value
