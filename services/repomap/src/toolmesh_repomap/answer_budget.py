"""Fits answers into token budgets: the whole answer as compact JSON, as the gateway sends it."""

import json
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
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
    shown = getattr(answer, field)
    answer.next_page_token = next_page_token(0) if items else ""
    _settle(answer, count_tokens)
    sums = accumulate(count_tokens(_json(item)) + 1 for item in items)
    left = max_tokens - answer.token_count
    count = next((at for at, used in enumerate(sums) if used > left), len(items))
    while True:
        count = max(count, min(len(items), 1))
        del shown[:]
        shown.extend(items[:count])
        answer.next_page_token = next_page_token(count)
        _settle(answer, count_tokens)
        if answer.token_count <= max_tokens:
            return
        if count > 1:
            count -= max(1, count // 16)
        elif not getattr(answer, "similar_names", ()):
            raise BudgetTooSmall.of(max_tokens, answer.token_count)
        else:
            answer.similar_names.pop()


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


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return list(map(_fields, value)) if field.is_repeated else _fields(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return list(value) if field.is_repeated else value
