"""Answers that come in pieces: fetches the pages that are wanted, and says how to see the rest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from toolmesh_contracts.contract import Method
from toolmesh_contracts.field_rules import rules_of

if TYPE_CHECKING:
    import grpc.aio

PAGE_FIELDS: Final = ("page_size", "page_token")
BUDGET_FIELD: Final = "max_tokens"
_NEXT: Final = "next_page_token"
# An answer with one of them may be less than all.
ANSWER_BOUNDS: Final = (_NEXT, "truncated")
# Where the proto does not bound a page.
_MOST_A_PAGE: Final = 1000


@dataclass(frozen=True)
class Wanted:
    """How much of an answer was asked for, and how that is typed.

    Attributes:
        limit: how many items of a list that comes in pages; 0: all; None: the request's page.
        typed: how a field of the request is typed: `--page-token=X`, or `page_token=X`.
    """

    typed: Callable[[str, str], str]
    limit: int | None = None


def is_paged(method: Method) -> bool:
    """Whether the caller may choose how many items of a list the method answers with."""
    asked = all(name in method.input.fields_by_name for name in PAGE_FIELDS)
    return asked and _NEXT in method.output.fields_by_name


def most_a_page(method: Method) -> int:
    """How many items a page of the method may have, by the rules of its request."""
    rules = rules_of(method.input.fields_by_name[PAGE_FIELDS[0]])
    return int(rules.max) if rules and rules.HasField("max") else _MOST_A_PAGE


async def call_pages(
    channel: "grpc.aio.Channel", method: Method, request: Message, *, limit: int
) -> Message:
    """The first `limit` items of a list, 0 for all, as one answer.

    A token budget that the request states holds for all pages together: once it has cut a page
    short, or what is left of it is too little for another, there is no other.

    Raises:
        grpc.aio.AioRpcError: a call failed.
    """
    name, most = _items_of(method.output).name, most_a_page(method)
    page: Any = type(request)()
    page.CopyFrom(request)
    budget, spent = getattr(page, BUDGET_FIELD, 0), 0
    items: list[Any] = []
    last: Any = None
    while True:
        page.page_size = min(limit - len(items), most) if limit else most
        if budget:
            page.max_tokens = budget - spent
        answer = await _next_page(channel, method, page, enough=budget > 0 and last is not None)
        if answer is None:
            return _joined(last, name, items, spent)
        last, here = answer, getattr(answer, name)
        items += here
        spent += getattr(answer, "token_count", 0)
        page.page_token = answer.next_page_token
        cut = budget and (len(here) < page.page_size or spent >= budget)
        if not page.page_token or cut or (limit and len(items) >= limit):
            return _joined(last, name, items, spent)


async def _next_page(
    channel: "grpc.aio.Channel", method: Method, page: Message, *, enough: bool
) -> Any | None:
    """A page; None where there is `enough` and nothing more fits into the budget."""
    import grpc
    import grpc.aio

    from toolmesh_client.by_descriptor import call_method

    try:
        return await call_method(channel, method, page)
    except grpc.aio.AioRpcError as error:
        if enough and error.code() == grpc.StatusCode.INVALID_ARGUMENT:
            return None
        raise


def _joined(last: Any, name: str, items: list[Any], spent: int) -> Message:
    """The last page's facts with the items and tokens of all pages."""
    whole = type(last)()
    whole.CopyFrom(last)
    whole.ClearField(name)
    getattr(whole, name).extend(items)
    if spent:
        whole.token_count = spent
    return whole


def how_to_see_more(method: Method, request: Any, answer: Any, wanted: Wanted) -> str:
    """A sentence for who does not have all of an answer yet; empty: it is all here."""
    following = getattr(answer, _NEXT, "")
    if not following and not getattr(answer, "truncated", False):
        return ""
    budget = getattr(request, BUDGET_FIELD, 0)
    budget_name = wanted.typed(BUDGET_FIELD, "").rstrip("=")
    larger = f"a larger {budget_name}"
    if not following:
        can_grow = BUDGET_FIELD in method.input.fields_by_name
        return f"this is not all: {larger} shows more" if can_grow else "this is not all"
    items = _items_of(method.output)
    shown = len(getattr(answer, items.name))
    total = count_of(answer, items)
    there = f"{shown:,} of {total:,}" if total else f"there are more than {shown:,}"
    there += f" {items.name.replace('_', ' ')}"
    if wanted.limit is None:
        next_page = wanted.typed(PAGE_FIELDS[1], following)
        return f"{there} on this page: {next_page} shows the next{_at_once(method, wanted)}"
    if wanted.limit and shown >= wanted.limit:
        without = f" without {budget_name}" if budget else ""
        return f"{there}: --limit 0{without} shows all"
    return f"{there}: {larger} shows more"


def count_of(answer: Any, items: FieldDescriptor) -> int:
    """How many items there are in all: `findings` are counted by a `finding_count`; 0: unknown."""
    wanted = f"{_singular(items.name)}_count"
    return next((getattr(holder, wanted) for holder in _holders(answer, wanted)), 0)


def _holders(answer: Any, name: str) -> Iterator[Any]:
    """The answer and the messages in it that have a field of that name."""
    if name in answer.DESCRIPTOR.fields_by_name:
        yield answer
    for field, value in answer.ListFields():
        if isinstance(value, Message) and name in field.message_type.fields_by_name:
            yield value


def _items_of(output: Any) -> FieldDescriptor:
    return next(field for field in output.fields if field.is_repeated)


def _at_once(method: Method, wanted: Wanted) -> str:
    sizes = (PAGE_FIELDS[0], BUDGET_FIELD)
    known = [wanted.typed(n, "").rstrip("=") for n in sizes if n in method.input.fields_by_name]
    verb = "shows" if len(known) == 1 else "show"
    return f"; a larger {' and '.join(known)} {verb} more at once" if known else ""


def _singular(plural: str) -> str:
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
