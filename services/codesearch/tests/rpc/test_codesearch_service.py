"""The codesearch service as its callers meet it: real servers, real model, a real workspace."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from toolmesh.codesearch.v1 import codesearch_service_pb2 as pb
from toolmesh.codesearch.v1 import codesearch_service_pb2_grpc, hit_pb2
from toolmesh.workspace.v1 import workspace_service_pb2
from toolmesh_client.channels import open_channel, service_address
from toolmesh_codesearch.model_file import ModelFile
from toolmesh_codesearch.service import open_service
from toolmesh_codesearch.settings import Settings
from toolmesh_serving.answer_budget import gateway_json
from toolmesh_serving.server import running
from toolmesh_serving.tokens import count_tokens

TokenOf = Callable[..., Awaitable[str]]
Search = Callable[..., Awaitable[pb.SearchResponse]]

_SHOP = {
    "shop/auth.py": (
        "import jwt\n\n\nclass TokenVerifier:\n"
        '    """Checks who is calling."""\n\n'
        "    def verify(self, token: str) -> dict:\n"
        '        """Return the claims, or fail when the signature is wrong."""\n'
        "        return jwt.decode(token, self.key)\n"
    ),
    "shop/cart.py": (
        "# Adds up what a customer pays.\ndef total_price(items):\n"
        "    return sum(item.price for item in items)\n\n\n"
        "def verify_stock(items):\n    return all(item.left for item in items)\n"
    ),
    "web/retry.ts": (
        "export async function fetchWithBackoff(url: string) {\n"
        "  for (let i = 0; i < 5; i++) {\n    await sleep(2 ** i)\n  }\n}\n"
    ),
    "README.md": "# Shop\n\nSells things.\n\n## How to deploy\n\nRun make release on the server.\n",
    "data.bin": b"\x00\x01",
}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that is run, made once for all tests."""
    return asyncio.run(ModelFile(tmp_path_factory.mktemp("model")).path())


@pytest.fixture
def store_bytes() -> int:
    """How large the store may grow."""
    return 2**30


@pytest.fixture
def index_calls() -> int:
    """How many calls of `Index` may be under way."""
    return 32


@pytest.fixture
async def codesearch(
    identity_pattern: str,
    tmp_path: Path,
    token_of: TokenOf,
    model_file: Path,
    store_bytes: int,
    index_calls: int,
) -> AsyncGenerator[codesearch_service_pb2_grpc.CodesearchServiceStub]:
    """A running codesearch service, called by the developer ann."""
    address = service_address(identity_pattern, "codesearch")
    settings = Settings(
        listen=address,
        address_pattern=identity_pattern,
        data_folder=tmp_path / "codesearch",
        codesearch_store_bytes=store_bytes,
        codesearch_indexes=index_calls,
    )
    token = await token_of("developer", subject="ann")
    settings.data_folder.mkdir()
    (settings.data_folder / model_file.name).hardlink_to(model_file)

    async def anns_token() -> str:
        return token

    async with (
        open_service(settings) as service,
        running(settings, service),
        open_channel(address, token=anns_token) as channel,
    ):
        yield codesearch_service_pb2_grpc.CodesearchServiceStub(channel)


@pytest.fixture
def search(codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any) -> Search:
    """Pushes files, when they are given, and searches them."""

    async def search(
        files: dict[str, str | bytes] | None = None, *, workspace: str = "", **fields: Any
    ) -> pb.SearchResponse:
        if files is not None:
            workspace = (await push_tree(files, workspace=workspace)).id
        return await codesearch.Search(pb.SearchRequest(workspace=workspace, **fields))

    return search


async def test_hits_say_what_where_and_why(search: Search) -> None:
    """The words of a query find a symbol, with its place, its code and the words that it has."""
    response = await search(_SHOP, query="what a customer pays")
    first = response.hits[0]
    assert (first.path, first.symbol, first.start_line, first.end_line) == (
        "shop/cart.py",
        "total_price",
        2,
        3,
    )
    assert first.kind == hit_pb2.SYMBOL_KIND_FUNCTION
    assert set(first.matched_words) == {"customer", "pays"}
    assert first.code.startswith("# Adds up")
    assert first.code_start_line == 1
    assert not first.exact_name


async def test_an_exact_name_wins(search: Search) -> None:
    """A symbol that the query names comes first, whatever else has the words."""
    response = await search(_SHOP, query="customer pays price sum items, see verify_stock")
    assert response.hits[0].symbol == "verify_stock"
    assert response.hits[0].exact_name
    assert response.hits[0].score > 1 >= response.hits[1].score
    qualified = await search(_SHOP, query="TokenVerifier.verify")
    assert [hit.symbol for hit in qualified.hits if hit.exact_name] == ["TokenVerifier.verify"]


async def test_meaning_finds_what_words_do_not(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any, search: Search
) -> None:
    """Once embeddings are there, a question that shares no word with the code finds it."""
    workspace = (await push_tree(_SHOP)).id
    steps = [step async for step in codesearch.Index(pb.IndexRequest(workspace=workspace))]
    summary = steps[-1].summary
    assert (summary.file_count, summary.read_file_count) == (5, 5)
    assert summary.share_ready == 1
    stages = [step.progress.stage for step in steps[:-1]]
    assert (
        stages
        == sorted(stages, reverse=True)
        == ["files"] * stages.count("files") + ["embeddings"] * stages.count("embeddings")
    )
    response = await search(
        workspace=workspace, query="request a web page again and again with growing pauses"
    )
    assert response.hits[0].symbol == "fetchWithBackoff"
    assert response.hits[0].meaning > 0.2
    assert list(response.hits[0].matched_words) == ["web"]
    assert response.share_ready == 1
    similar = await codesearch.FindSimilar(
        pb.FindSimilarRequest(workspace=workspace, snippet="sum(p.price for p in basket)")
    )
    assert similar.hits[0].symbol == "total_price"


async def test_exact_text_and_expressions_filter(search: Search, push_tree: Any) -> None:
    """Only what has a match is found, in the innermost symbol, with the lines that match."""
    workspace = (await push_tree(_SHOP)).id
    exact = await search(workspace=workspace, exact_text="jwt.decode(")
    assert [(hit.symbol, list(hit.matched_lines)) for hit in exact.hits] == [
        ("TokenVerifier.verify", [9])
    ]
    regex = await search(workspace=workspace, regex=r"item\.\w+ for", query="stock")
    assert [hit.symbol for hit in regex.hits] == ["verify_stock", "total_price"]
    upper = await search(
        workspace=workspace, regex="JWT", ignore_case=True, kinds=[hit_pb2.SYMBOL_KIND_FILE]
    )
    assert [(hit.path, hit.symbol, list(hit.matched_lines)) for hit in upper.hits] == [
        ("shop/auth.py", "", [1, 9])
    ]


async def test_filters(search: Search, push_tree: Any) -> None:
    """Globs, languages and kinds bound where hits come from."""
    workspace = (await push_tree(_SHOP)).id

    async def paths(**fields: Any) -> set[str]:
        response = await search(workspace=workspace, query="verify price deploy backoff", **fields)
        return {hit.path for hit in response.hits}

    assert await paths() == {"shop/auth.py", "shop/cart.py", "web/retry.ts", "README.md"}
    assert await paths(include=["shop/"], exclude=["auth.py"]) == {"shop/cart.py"}
    assert await paths(languages=["typescript", "markdown"]) == {"web/retry.ts", "README.md"}
    assert await paths(kinds=[hit_pb2.SYMBOL_KIND_METHOD]) == {"shop/auth.py"}
    section = await search(workspace=workspace, query="deploy", kinds=[hit_pb2.SYMBOL_KIND_SECTION])
    assert section.hits[0].symbol == "How to deploy"
    # Embeddings that came meanwhile may find the other section, too.
    assert {hit.kind for hit in section.hits} == {hit_pb2.SYMBOL_KIND_SECTION}


async def test_pages_go_on_where_the_last_ended(search: Search, push_tree: Any) -> None:
    """All pages together have each hit once; a push in between changes nothing."""
    files = {f"m{number}.py": f"def load_{number}():\n    pass\n" for number in range(25)}
    workspace = (await push_tree(files)).id
    first = await search(workspace=workspace, query="load")
    assert (len(first.hits), first.hit_count, first.truncated) == (10, 25, True)
    await push_tree({"other.py": "x = 1\n"}, workspace=workspace)
    found = [hit.path for hit in first.hits]
    token = first.next_page_token
    while token:
        page = await search(workspace=workspace, query="load", page_token=token, page_size=7)
        found += [hit.path for hit in page.hits]
        token = page.next_page_token
    assert sorted(found) == sorted(files)


async def test_pages_keep_the_order_of_their_first(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, search: Search, push_tree: Any
) -> None:
    """Also when embeddings came in between, and the same search was made anew with them."""
    things = [
        "cart",
        "price",
        "stock",
        "user",
        "token",
        "retry",
        "socket",
        "folder",
        "colour",
        "matrix",
        "mail",
        "lock",
        "queue",
    ]
    files = {
        f"{thing}.py": f"def load_{thing}():\n    return the_{thing}_of(read())\n"
        for thing in things
    }
    workspace = (await push_tree(files)).id
    first = await search(workspace=workspace, query="load what a customer pays", page_size=5)
    assert first.share_ready == 0
    async for _ in codesearch.Index(pb.IndexRequest(workspace=workspace), timeout=120):
        pass
    again = await search(workspace=workspace, query="load what a customer pays", page_size=5)
    assert [hit.path for hit in again.hits] != [hit.path for hit in first.hits]
    for start in (first, again):
        found = [(hit.path, hit.symbol) for hit in start.hits]
        token = start.next_page_token
        while token:
            page = await search(
                workspace=workspace, query="load what a customer pays", page_token=token
            )
            found += [(hit.path, hit.symbol) for hit in page.hits]
            token = page.next_page_token
        assert len(found) == len(set(found)) == start.hit_count


@pytest.mark.parametrize("most", [200, 400, 1500, 20_000])
async def test_an_answer_keeps_to_its_tokens(search: Search, most: int) -> None:
    """The whole answer as JSON has no more tokens than asked for, and says how many it has."""
    body = "".join(f"    value_{number} = compute({number})\n" for number in range(300))
    files = {f"m{number}.py": f"def load_{number}():\n{body}" for number in range(8)}
    response = await search(files, query="load", max_tokens=most)
    tokens = count_tokens(gateway_json(response))
    assert response.token_count == tokens <= most
    if most < 20_000:
        assert tokens > most * 0.6
        assert response.truncated or response.hits[0].code_truncated


async def test_the_tokens_of_any_code_are_counted_right(search: Search, push_tree: Any) -> None:
    """Whatever code begins and ends with, the parts of an answer have as many tokens as it has."""
    bodies = ('"code":', "</b> été 東京", "''s  \t", "1234567", "\\u003c", "\r\n\r\n", "a" * 900)
    files = {f"{at}'s.txt": f"{body} load {body}\n" * 9 for at, body in enumerate(bodies)}
    files |= {"load.md": "", "load's é.py": "def load():\n\tpass"}
    workspace = (await push_tree(files)).id
    for most in range(700, 3000, 100):
        response = await search(workspace=workspace, query="load", max_tokens=most)
        assert response.token_count == count_tokens(gateway_json(response)) <= most
        assert any(hit.code for hit in response.hits)


async def test_hits_leave_half_of_the_answer_to_their_code(search: Search) -> None:
    """What does not fit beside comes on further pages, the same as if all of it had fitted."""
    files = {f"m{at}.py": f"def load_{at}(key):\n    return rows[key, {at}]\n" for at in range(30)}
    page = await search(files, query="load", page_size=30, max_tokens=1000)
    assert 3 < len(page.hits) < 30
    assert all(hit.code.startswith("def load_") for hit in page.hits)
    assert page.next_page_token


async def test_code_of_many_tokens_is_cut_and_not_left_out(search: Search, push_tree: Any) -> None:
    """Code with more tokens than its length tells loses its last lines when it does not fit."""
    rows = "".join(f"    [{number}, {number * 7}, {number * 13}],\n" for number in range(90))
    workspace = (await push_tree({"table.py": f"def load():\n    return [\n{rows}    ]\n"})).id
    whole = await search(workspace=workspace, query="load", page_size=1)
    assert not whole.hits[0].code_truncated
    most = whole.token_count - 40
    cut = await search(workspace=workspace, query="load", page_size=1, max_tokens=most)
    assert cut.hits[0].code_truncated
    assert most * 0.9 < cut.token_count <= most


async def test_one_edited_file_is_all_that_is_read(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any
) -> None:
    """A second index reads the one file that changed, and what it says is found."""
    workspace = (await push_tree(_SHOP)).id
    request = pb.IndexRequest(workspace=workspace, words_only=True)
    before = [step async for step in codesearch.Index(request)][-1].summary
    changed = {**_SHOP, "shop/cart.py": "def grand_total():\n    pass\n"}
    await push_tree(changed, workspace=workspace)
    after = [step async for step in codesearch.Index(request)][-1].summary
    assert (before.read_file_count, after.read_file_count) == (5, 1)
    response = await codesearch.Search(pb.SearchRequest(workspace=workspace, query="grand_total"))
    assert response.hits[0].exact_name
    gone = await codesearch.Search(pb.SearchRequest(workspace=workspace, query="verify_stock"))
    assert not any(hit.exact_name for hit in gone.hits)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({}, "SEARCH_INVALID", "query"),
        ({"query": " \n"}, "SEARCH_INVALID", "query"),
        ({"query": "x" * 10_001}, "FIELD_INVALID", "query"),
        ({"query": "x" * 1_000_000}, "FIELD_INVALID", "query"),
        ({"exact_text": "x" * 1_000_000}, "FIELD_INVALID", "exact_text"),
        ({"regex": "x" * 1_000_000}, "FIELD_INVALID", "regex"),
        ({"exact_text": "a", "regex": "b"}, "SEARCH_INVALID", "regex"),
        ({"regex": "a(b"}, "REGEX_INVALID", "regex"),
        ({"query": "a", "languages": ["python", "klingon"]}, "LANGUAGE_UNKNOWN", "languages[1]"),
        ({"query": "a", "include": ["#x"]}, "SEARCH_INVALID", "include[0]"),
        ({"query": "a", "include": ["*a" * 500] * 20}, "SEARCH_INVALID", "include[3]"),
        ({"query": "a", "kinds": [99]}, "SEARCH_INVALID", "kinds[0]"),
        ({"query": "a", "page_token": "x"}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"query": "verify", "max_tokens": 5}, "SEARCH_INVALID", "max_tokens"),
        ({"query": "nowhere", "max_tokens": 1}, "SEARCH_INVALID", "max_tokens"),
    ],
)
async def test_bad_requests_name_their_field(
    search: Search, failure_of: Any, fields: dict[str, Any], reason: str, field: str
) -> None:
    """What is wrong is said of the field at fault."""
    failure = await failure_of(search(_SHOP, **fields))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert list(failure.fields) == [field]


async def test_refusals_say_what_would_do(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub,
    search: Search,
    push_tree: Any,
    failure_of: Any,
) -> None:
    """Of too few tokens how many are enough, of a mistyped language which is meant."""
    workspace = (await push_tree(_SHOP)).id
    # Meanings that come between two searches would change the answer.
    async for _ in codesearch.Index(pb.IndexRequest(workspace=workspace)):
        pass
    asked = {"workspace": workspace, "query": "verify"}
    failure = await failure_of(search(**asked, max_tokens=5))
    needed = int(failure.fields["max_tokens"].rpartition(" ")[2])
    assert (await search(**asked, max_tokens=needed)).hits
    assert await failure_of(search(**asked, max_tokens=needed - 1))
    failure = await failure_of(search(**asked, languages=["pyhton"]))
    assert "did you mean python?" in failure.fields["languages[0]"]


@pytest.mark.parametrize(
    ("snippet", "reason"),
    [("", "FIELD_INVALID"), (" \n\t", "SEARCH_INVALID"), ("x" * 1_000_000, "FIELD_INVALID")],
)
async def test_a_snippet_that_cannot_be_used_is_refused(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub,
    push_tree: Any,
    failure_of: Any,
    snippet: str,
    reason: str,
) -> None:
    """Neither nothing nor a million characters have their like."""
    workspace = (await push_tree(_SHOP)).id
    request = pb.FindSimilarRequest(workspace=workspace, snippet=snippet)
    failure = await failure_of(codesearch.FindSimilar(request))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert list(failure.fields) == ["snippet"]


@pytest.mark.parametrize("regex", ["(a+)+$x", "(a|aa)+[^a]b", "(.*a){12}x"])
async def test_an_expression_that_would_backtrack_forever_is_answered(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any, regex: str
) -> None:
    """What takes a backtracking engine past the end of time finds nothing, soon."""
    workspace = (await push_tree({"a.txt": "a" * 60_000})).id
    request = pb.SearchRequest(workspace=workspace, regex=regex)
    response = await codesearch.Search(request, timeout=30)
    assert response.hit_count == 0


async def test_searches_that_are_given_up_hold_up_no_other(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any, search: Search
) -> None:
    """Of many expressions that the engine is slow with, cancelled ones leave no thread busy."""
    line = bytes(random.Random(1).choices(b"ab", k=1_000_000))
    hostile = (await push_tree({"a.txt": line})).id
    other = (await push_tree(_SHOP)).id
    for workspace in (hostile, other):
        await search(workspace=workspace, exact_text="a")
    slow = [f"(?:.*a.{{{200 + n}}}[cd].*e)|{'a|b' if n % 2 else 'z'}" for n in range(20)]
    requests = [pb.SearchRequest(workspace=hostile, regex=regex) for regex in slow]
    calls = [asyncio.ensure_future(codesearch.Search(request)) for request in requests]
    _, waiting = await asyncio.wait(calls, timeout=1)
    assert len(waiting) >= 10
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    for request in (
        pb.SearchRequest(workspace=other, regex="jwt.decode"),
        pb.SearchRequest(workspace=other, query="verify"),
    ):
        assert (await codesearch.Search(request, timeout=10)).hit_count


async def test_all_units_of_a_file_are_found(search: Search) -> None:
    """However many lines of a file match, each symbol that has one is a hit."""
    functions = "".join(f"def f{number}():\n    needle()\n" for number in range(400))
    response = await search({"many.py": functions}, exact_text="needle(", page_size=100)
    assert response.hit_count == 400


async def test_a_page_token_belongs_to_its_search(
    search: Search, push_tree: Any, failure_of: Any
) -> None:
    """The token of one search is refused by another."""
    workspace = (await push_tree(_SHOP)).id
    token = (await search(workspace=workspace, query="verify", page_size=1)).next_page_token
    failure = await failure_of(search(workspace=workspace, query="items", page_token=token))
    assert failure.reason == "PAGE_TOKEN_INVALID"


async def test_workspaces_that_are_not_there(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub,
    workspaces: Any,
    push_tree: Any,
    token_of: TokenOf,
    failure_of: Any,
) -> None:
    """Unknown, someone else's, empty and deleted ones are told as the workspace service does."""
    kept = await push_tree(_SHOP)
    request = pb.SearchRequest(workspace=kept.id, query="verify")
    await codesearch.Search(request)
    bobs = (("authorization", f"Bearer {await token_of('developer', subject='bob')}"),)
    similar = pb.FindSimilarRequest(workspace=kept.id, snippet="verify")
    for call in (
        codesearch.Search(request, metadata=bobs),
        codesearch.FindSimilar(similar, metadata=bobs),
        codesearch.Index(pb.IndexRequest(workspace=kept.id), metadata=bobs).read(),
    ):
        assert (await failure_of(call)).code == grpc.StatusCode.NOT_FOUND
    await workspaces.DeleteWorkspace(
        workspace_service_pb2.DeleteWorkspaceRequest(workspace=kept.id)
    )
    deleted = await failure_of(codesearch.Search(request))
    assert deleted.code == grpc.StatusCode.NOT_FOUND
    made = await workspaces.CreateWorkspace(
        workspace_service_pb2.CreateWorkspaceRequest(display_name="empty")
    )
    empty = pb.SearchRequest(workspace=made.workspace.id, query="verify")
    failure = await failure_of(codesearch.Search(empty))
    assert failure.code == grpc.StatusCode.FAILED_PRECONDITION


async def test_files_that_cannot_be_read_are_found_by_their_path(search: Search) -> None:
    """Binary files, broken text and empty files have their place, and cost no other its own."""
    files = {
        "logo/emblem.png": b"\x89PNG\x00\x01",
        "latin.py": "größe = 1".encode("latin-1"),
        "empty.py": b"",
        "broken.py": "def half(:\n  '''",
        "good.py": "def emblem():\n    pass\n",
    }
    response = await search(files, query="emblem")
    assert [hit.path for hit in response.hits] == ["good.py", "logo/emblem.png"]
    by_path = await search(files, query="the logo of latin", max_tokens=20_000)
    assert [(hit.path, hit.start_line, hit.end_line, hit.code) for hit in by_path.hits] == [
        ("latin.py", 0, 0, ""),
        ("logo/emblem.png", 0, 0, ""),
    ]
    assert list(by_path.hits[1].matched_words) == ["logo"]
    assert (await search(files, query="empty")).hit_count == 0
    by_text = await search(files, exact_text="half")
    assert [hit.path for hit in by_text.hits] == ["broken.py"]


async def test_many_searches_during_an_index(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any
) -> None:
    """Callers who come while a snapshot is being indexed get its answer, all the same one."""
    files = {f"m{n}.py": f"def load_{n}():\n    return {n}\n" * 20 for n in range(200)}
    workspace = (await push_tree(files)).id
    request = pb.SearchRequest(
        workspace=workspace, query="load_77", kinds=[hit_pb2.SYMBOL_KIND_FUNCTION]
    )
    answers = await asyncio.gather(*(codesearch.Search(request) for _ in range(10)))
    assert {answer.hits[0].path for answer in answers} == {"m77.py"}
    assert len({answer.hit_count for answer in answers}) == 1


@pytest.mark.parametrize("stage", ["files", "embeddings"])
async def test_a_workspace_is_deleted_while_it_is_indexed(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub,
    workspaces: Any,
    push_tree: Any,
    failure_of: Any,
    stage: str,
) -> None:
    """The index ends, with or without a summary; later calls are refused; others lose nothing."""
    files = {f"m{n}.py": f"def load_{n}():\n    return {n}\n" for n in range(150)}
    workspace = (await push_tree(files)).id
    call = codesearch.Index(pb.IndexRequest(workspace=workspace), timeout=120)
    deleted = workspace_service_pb2.DeleteWorkspaceRequest(workspace=workspace)
    is_deleted, refused = False, None
    try:
        async for answer in call:
            if answer.progress.stage == stage and not is_deleted:
                await workspaces.DeleteWorkspace(deleted)
                is_deleted = True
    except grpc.aio.AioRpcError as error:
        refused = error.code()
    assert is_deleted
    # Embeddings are made of what was read before.
    assert refused in ({None} if stage == "embeddings" else {None, grpc.StatusCode.NOT_FOUND})
    request = pb.SearchRequest(workspace=workspace, query="load_77")
    assert (await failure_of(codesearch.Search(request))).code == grpc.StatusCode.NOT_FOUND
    again = pb.IndexRequest(workspace=(await push_tree(files)).id)
    summary = [step async for step in codesearch.Index(again, timeout=120)][-1].summary
    assert (summary.file_count, summary.share_ready) == (150, 1)
    found = await codesearch.Search(pb.SearchRequest(workspace=again.workspace, query="load_77"))
    assert found.hits[0].path == "m77.py"


@pytest.mark.parametrize("index_calls", [1])
async def test_more_callers_than_places_wait_for_no_index(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any, failure_of: Any
) -> None:
    """Who finds no place is told to come back, and has one when another has gone away."""
    files = {f"m{n}.py": f"def load_{n}():\n    return {n}\n" for n in range(150)}
    workspace = (await push_tree(files)).id
    first = codesearch.Index(pb.IndexRequest(workspace=workspace), timeout=120)
    request = pb.IndexRequest(workspace=workspace, words_only=True)
    await first.read()
    failure = await failure_of(codesearch.Index(request, timeout=120).read())
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "INDEXES_BUSY")
    first.cancel()
    last = pb.IndexResponse()
    async with asyncio.timeout(30):
        while not last.summary.file_count:
            with contextlib.suppress(grpc.aio.AioRpcError):
                last = [step async for step in codesearch.Index(request)][-1]
    assert last.summary.file_count == 150


@pytest.mark.parametrize("store_bytes", [2**20])
async def test_texts_that_had_to_go_are_not_waited_for(
    codesearch: codesearch_service_pb2_grpc.CodesearchServiceStub, push_tree: Any, tmp_path: Path
) -> None:
    """Of a snapshot that is too large for the store, what is left gets its embeddings."""
    files = {
        f"{n}.txt": f"note {n}\n" + "\n" * 1000 + " ".join(f"w{n}x{i}" for i in range(300))
        for n in range(600)
    }
    request = pb.IndexRequest(workspace=(await push_tree(files)).id)
    for _ in range(2):
        summary = [step async for step in codesearch.Index(request, timeout=120)][-1].summary
        assert 0.1 < summary.share_ready < 0.9
    assert (tmp_path / "codesearch" / "index.sqlite").stat().st_size < 2 * 2**20
    search = pb.SearchRequest(workspace=request.workspace, query="note", exact_text="w7x0 ")
    assert [hit.path for hit in (await codesearch.Search(search)).hits] == ["7.txt"]
