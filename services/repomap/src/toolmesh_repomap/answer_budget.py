"""Fits pages of symbols into token budgets."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from toolmesh_repomap.errors import BudgetTooSmall
from toolmesh_serving.answer_budget import (
    CountTokens,
    fit_items,
    gateway_json,
    settle_token_count,
)


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

    def show(count: int) -> None:
        shown = getattr(answer, field)
        del shown[:]
        shown.extend(items[:count])
        answer.next_page_token = next_page_token(count) if items else ""

    sizes = (count_tokens(gateway_json(item)) + 1 for item in items)
    if fit_items(answer, sizes, show=show, max_tokens=max_tokens, count_tokens=count_tokens):
        return
    while not items and getattr(answer, "similar_names", ()):
        answer.similar_names.pop()
        settle_token_count(answer, count_tokens)
        if answer.token_count <= max_tokens:
            return
    raise BudgetTooSmall.of(max_tokens, answer.token_count)
