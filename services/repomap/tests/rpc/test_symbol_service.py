"""Look-ups of names and files as their callers meet them: real servers, stubs and workspaces."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from toolmesh.repomap.v1 import (
    repomap_pb2,
    symbol_pb2,
    symbol_service_pb2,
    symbol_service_pb2_grpc,
)
from toolmesh_serving.tokens import count_tokens

Call = Callable[..., Awaitable[Any]]

_FILES = {
    "shop/money.py": '''class Amount:
    """An amount of money."""

    def plus_tax(self, rate):
        return self
''',
    "shop/cart.py": """from shop.money import Amount

# An Amount in a comment is no use of it.
def sum_up(items):
    return Amount(items).plus_tax(1)
""",
    "shop/rate.py": "def rate_of(item):\n    return item.Amount\n",
    "other/amount.py": "class Amount:\n    pass\n",
    "other/use.py": "from other.amount import Amount\n\nAmount()\n",
    "tests/test_cart.py": "class Amount:\n    def plus_tax(self):\n        pass\n",
    "docs/use.py": "print(Amount)\n",
    "web/client.ts": "export class Client { fetchAll(url: string): Promise<void> {} }\n",
    "bad/latin.py": b"x = '\xe9'\n",
    "README.md": "# Shop\n",
}
_REQUESTS = {
    "FindDefinitions": symbol_service_pb2.FindDefinitionsRequest,
    "FindReferences": symbol_service_pb2.FindReferencesRequest,
    "GetOutline": symbol_service_pb2.GetOutlineRequest,
}
_ITEMS = {"FindDefinitions": "definitions", "FindReferences": "references", "GetOutline": "items"}


@pytest.fixture
async def ask(repomap_channel: grpc.aio.Channel, token_of: Call) -> Call:
    """Calls a method as the developer ann, unless told otherwise."""
    stub = symbol_service_pb2_grpc.SymbolServiceStub(repomap_channel)
    tokens: dict[str, str] = {}

    async def ask(method: str, workspace: str, *, subject: str = "ann", **fields: Any) -> Any:
        if subject not in tokens:
            tokens[subject] = await token_of("developer", subject=subject)
        request = _REQUESTS[method](workspace=workspace, **fields)
        metadata = (("authorization", f"Bearer {tokens[subject]}"),)
        return await getattr(stub, method)(request, metadata=metadata)

    return ask


@pytest.fixture
async def shop(push_tree: Call) -> str:
    """The id of a pushed workspace of ann's."""
    return (await push_tree(_FILES)).id


def _tokens(answer: Any) -> int:
    """The tokens of an answer as the gateway writes it: all fields in their order, `<` escaped."""
    text = json.dumps(_in_order(answer), ensure_ascii=False, separators=(",", ":"))
    return count_tokens(text.replace("<", "\\u003c").replace(">", "\\u003e"))


def _in_order(message: Message) -> dict[str, Any]:
    printed = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    for field in message.DESCRIPTOR.fields:
        value = printed.pop(field.json_name)
        if field.message_type is not None:
            value = [_in_order(each) for each in getattr(message, field.name)]
        printed[field.json_name] = value
    return printed


async def test_finds_definitions(ask: Call, shop: str) -> None:
    """Definitions come with what is known of them: the most used first, those of tests last."""
    answer = await ask("FindDefinitions", shop, name="Amount")
    assert [each.path for each in answer.definitions] == [
        "shop/money.py",
        "other/amount.py",
        "tests/test_cart.py",
    ]
    assert answer.definitions[0] == symbol_pb2.Definition(
        path="shop/money.py",
        start_line=1,
        end_line=5,
        name="Amount",
        kind="class",
        signature="class Amount",
        doc="An amount of money.",
        role=repomap_pb2.FILE_ROLE_CODE,
        used_by_file_count=3,
    )
    assert answer.definitions[2].role == repomap_pb2.FILE_ROLE_TEST
    assert answer.definition_count == 3
    assert not answer.next_page_token
    assert not answer.similar_names


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"name": "Amount.plus_tax"}, ["shop/money.py", "tests/test_cart.py"]),
        ({"name": "shop.money.Amount::plus_tax()"}, ["shop/money.py"]),
        ({"name": "shop/Amount"}, ["shop/money.py"]),
        ({"name": "PLUS_TAX", "ignore_case": True}, ["shop/money.py", "tests/test_cart.py"]),
        ({"name": "PLUS_TAX"}, []),
        ({"name": "Amount", "include": ["shop/**"]}, ["shop/money.py"]),
        ({"name": "Amount", "exclude": ["shop/", "other/"]}, ["tests/test_cart.py"]),
        ({"name": "Client", "languages": ["typescript"]}, ["web/client.ts"]),
        ({"name": "Client", "languages": ["python"]}, []),
        ({"name": "Amount", "kinds": ["function", "method"]}, []),
        ({"name": "fetchAll", "kinds": ["Method"]}, ["web/client.ts"]),
    ],
)
async def test_narrows_definitions(
    ask: Call, shop: str, fields: dict[str, Any], paths: list[str]
) -> None:
    """Qualifiers, case, globs, languages and kinds say which definitions are meant."""
    answer = await ask("FindDefinitions", shop, **fields)
    assert [each.path for each in answer.definitions] == paths
    assert answer.definition_count == len(paths)


@pytest.mark.parametrize(
    ("method", "name", "similar"),
    [
        ("FindDefinitions", "plus_taxes", ["plus_tax"]),
        ("FindDefinitions", "amount", ["Amount"]),
        ("FindDefinitions", "Cart.plus_tax", ["Amount.plus_tax"]),
        ("FindDefinitions", "zzzz", []),
        ("FindReferences", "fetchall", ["fetchAll"]),
        ("FindReferences", "Cart.plus_tax", ["Amount.plus_tax"]),
    ],
)
async def test_unknown_names(
    ask: Call, shop: str, method: str, name: str, similar: list[str]
) -> None:
    """What is not there is no error: names that are there and alike are told."""
    answer = await ask(method, shop, name=name)
    assert list(answer.similar_names) == similar
    assert not getattr(answer, _ITEMS[method])
    assert answer.token_count == _tokens(answer)


async def test_finds_references(ask: Call, shop: str) -> None:
    """Uses come without definitions and comments, with what tells which definition is meant."""
    answer = await ask("FindReferences", shop, name="Amount")
    assert [
        (each.path, each.line, each.text, each.basis, each.definition_path)
        for each in answer.references
    ] == [
        ("other/use.py", 1, "from other.amount import Amount", 1, "other/amount.py"),
        ("other/use.py", 3, "Amount()", 1, "other/amount.py"),
        ("shop/cart.py", 1, "from shop.money import Amount", 1, "shop/money.py"),
        ("shop/cart.py", 5, "return Amount(items).plus_tax(1)", 1, "shop/money.py"),
        ("shop/rate.py", 2, "return item.Amount", 3, "shop/money.py"),
        ("docs/use.py", 1, "print(Amount)", 4, ""),
    ]
    assert answer.file_count == 4
    meant = await ask("FindReferences", shop, name="Amount", definition_path="shop/money.py")
    assert {each.path for each in meant.references} == {
        "shop/cart.py",
        "shop/rate.py",
        "docs/use.py",
    }
    narrow = await ask("FindReferences", shop, name="Amount", include=["docs/"])
    assert [each.path for each in narrow.references] == ["docs/use.py"]


async def test_outlines_a_file(ask: Call, shop: str) -> None:
    """An outline has all definitions in line order, with what they stand in."""
    answer = await ask("GetOutline", shop, path="shop/money.py")
    assert list(answer.items) == [
        symbol_pb2.OutlineItem(
            start_line=1,
            end_line=5,
            name="Amount",
            kind="class",
            signature="class Amount",
            doc="An amount of money.",
        ),
        symbol_pb2.OutlineItem(
            start_line=4,
            end_line=5,
            name="plus_tax",
            kind="method",
            container="Amount",
            signature="def plus_tax(self, rate)",
        ),
    ]
    assert (answer.language, answer.skipped, answer.definition_count) == ("python", "", 2)


async def test_outlines_of_what_is_no_code(ask: Call, shop: str) -> None:
    """A file that cannot be read as code says why, one in no known language is empty."""
    answer = await ask("GetOutline", shop, path="bad/latin.py")
    assert (answer.language, answer.skipped) == ("python", "not UTF-8")
    answer = await ask("GetOutline", shop, path="README.md")
    assert (answer.language, answer.skipped, answer.definition_count) == ("", "", 0)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("shop/mony.py", ["shop/money.py"]),
        ("money.py", ["shop/money.py"]),
        ("src/shop/money.py", ["shop/money.py"]),
        ("shop", ["shop/cart.py", "shop/money.py", "shop/rate.py"]),
        ("/", []),
        ("\x00", []),
    ],
)
async def test_unknown_paths(
    ask: Call, shop: str, failure_of: Call, path: str, nearest: list[str]
) -> None:
    """A path that is no file names its field and the files that may be meant."""
    failure = await failure_of(ask("GetOutline", shop, path=path))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "PATH_UNKNOWN")
    assert list(failure.fields) == ["path"]
    assert failure.metadata.get("nearest_paths", "").split("\n")[: len(nearest) or 1] == (
        nearest or [""]
    )


@pytest.mark.parametrize(
    ("method", "fields", "reason", "field"),
    [
        ("FindDefinitions", {"name": ""}, "FIELD_INVALID", "name"),
        ("FindDefinitions", {"name": "x" * 513}, "FIELD_INVALID", "name"),
        ("FindDefinitions", {"name": "x", "kinds": ["class", "?"]}, "FILTER_INVALID", "kinds[1]"),
        ("FindReferences", {"name": "x", "languages": ["?"]}, "FILTER_INVALID", "languages[0]"),
        ("FindReferences", {"name": "x", "include": ["!a"]}, "FILTER_INVALID", "include[0]"),
        ("FindReferences", {"name": "x", "page_token": "eA=="}, "PAGE_TOKEN_INVALID", "page_token"),
        ("GetOutline", {"path": "README.md", "max_tokens": 1}, "BUDGET_TOO_SMALL", "max_tokens"),
        ("FindDefinitions", {"name": "Amount", "max_tokens": 99}, "BUDGET_TOO_SMALL", "max_tokens"),
        ("GetOutline", {"path": "shop/money.py", "page_size": -1}, "FIELD_INVALID", "page_size"),
    ],
)  # fmt: skip
async def test_bad_input(
    ask: Call,
    shop: str,
    failure_of: Call,
    method: str,
    fields: dict[str, Any],
    reason: str,
    field: str,
) -> None:
    """What cannot be answered is refused by the name of its field."""
    failure = await failure_of(ask(method, shop, **fields))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (failure.reason, list(failure.fields)) == (reason, [field])


async def test_unknown_language(ask: Call, shop: str, failure_of: Call) -> None:
    """A mistyped language is told with the one that is meant, and with all there are."""
    failure = await failure_of(ask("FindReferences", shop, name="x", languages=["pyhton"]))
    said = failure.fields["languages[0]"]
    assert said.startswith("no language 'pyhton'; did you mean python? There are: ")
    assert "typescript" in said


async def test_unknown_definition_path(ask: Call, shop: str, failure_of: Call) -> None:
    """A definition's file that is not there is refused by the name of its field."""
    call = ask("FindReferences", shop, name="Amount", definition_path="shop/mony.py")
    failure = await failure_of(call)
    assert (failure.reason, list(failure.fields)) == ("PATH_UNKNOWN", ["definition_path"])


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("FindDefinitions", {"name": "Amount"}),
        ("FindReferences", {"name": "Amount"}),
        ("GetOutline", {"path": "shop/money.py"}),
        ("GetOutline", {"path": "web/client.ts"}),
    ],
)
async def test_pages_have_everything_once(
    ask: Call, shop: str, method: str, fields: dict[str, Any]
) -> None:
    """Pages of any size hold what one answer holds, each within its budget."""
    whole = await ask(method, shop, **fields)
    expected = list(getattr(whole, _ITEMS[method]))
    assert whole.token_count == _tokens(whole)
    for limits in ({"page_size": 1}, {"page_size": 2}, {"max_tokens": 300}, {"max_tokens": 330}):
        found: list[Any] = []
        token = ""
        while True:
            page = await ask(method, shop, **fields, **limits, page_token=token)
            items = getattr(page, _ITEMS[method])
            assert 0 < len(items) <= limits.get("page_size", len(expected))
            assert page.token_count == _tokens(page) <= limits.get("max_tokens", 4096)
            found += items
            token = page.next_page_token
            if not token:
                break
        assert found == expected


async def test_what_fits_is_one_page(ask: Call, shop: str) -> None:
    """What takes the budget exactly needs no second page."""
    whole = await ask("GetOutline", shop, path="shop/money.py")
    fitting = await ask("GetOutline", shop, path="shop/money.py", max_tokens=whole.token_count)
    assert fitting == whole


async def test_similar_names_give_way(ask: Call, shop: str) -> None:
    """An answer without anything found fits into what it needs without similar names."""
    whole = await ask("FindDefinitions", shop, name="plus_taxes")
    less = await ask("FindDefinitions", shop, name="plus_taxes", max_tokens=whole.token_count - 1)
    assert not less.similar_names
    assert less.token_count < whole.token_count


async def test_pages_are_of_one_snapshot(ask: Call, shop: str, push_tree: Call) -> None:
    """The second page is of the snapshot that the first was of, whatever was pushed meanwhile."""
    first = await ask("FindReferences", shop, name="Amount", page_size=2)
    await push_tree({"a.py": "x = 1\n"}, workspace=shop)
    second = await ask(
        "FindReferences", shop, name="Amount", page_size=2, page_token=first.next_page_token
    )
    assert second.snapshot == first.snapshot
    assert [each.path for each in second.references] == ["shop/cart.py", "shop/cart.py"]
    assert not (await ask("FindReferences", shop, name="Amount")).references


async def test_a_page_token_of_another_question(ask: Call, shop: str, failure_of: Call) -> None:
    """A token goes with its own question alone, whatever the sizes of pages."""
    page = await ask("FindDefinitions", shop, name="Amount", page_size=1)
    failure = await failure_of(
        ask("FindDefinitions", shop, name="plus_tax", page_token=page.next_page_token)
    )
    assert (failure.reason, list(failure.fields)) == ("PAGE_TOKEN_INVALID", ["page_token"])


@pytest.mark.parametrize("method", _REQUESTS)
async def test_foreign_workspaces(ask: Call, shop: str, failure_of: Call, method: str) -> None:
    """Someone else's workspace is as unknown as none, looked at before or not."""
    fields = {"path": "shop/money.py"} if method == "GetOutline" else {"name": "Amount"}
    assert getattr(await ask(method, shop, **fields), _ITEMS[method])
    failure = await failure_of(ask(method, shop, subject="bob", **fields))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "WORKSPACE_UNKNOWN")
