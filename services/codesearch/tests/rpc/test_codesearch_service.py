"""The codesearch service as its callers meet it: real servers, real model, a real workspace."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from toolmesh.codesearch.v1 import codesearch_service_pb2 as pb
from toolmesh.codesearch.v1 import codesearch_service_pb2_grpc, hit_pb2
from toolmesh_client.channels import open_channel, service_address
from toolmesh_codesearch.service import open_service
from toolmesh_codesearch.settings import Settings
from toolmesh_serving.server import running

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


@pytest.fixture
async def codesearch(
    identity_pattern: str, tmp_path: Path, token_of: TokenOf
) -> AsyncGenerator[codesearch_service_pb2_grpc.CodesearchServiceStub]:
    """A running codesearch service, called by the developer ann."""
    address = service_address(identity_pattern, "codesearch")
    settings = Settings(
        listen=address, address_pattern=identity_pattern, data_folder=tmp_path / "codesearch"
    )
    token = await token_of("developer", subject="ann")

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
    print(json_format.MessageToJson(response))
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
