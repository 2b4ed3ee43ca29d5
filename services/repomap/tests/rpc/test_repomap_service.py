"""The repomap service as its callers meet it: real servers, real stubs, a real workspace."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from toolmesh.repomap.v1 import (
    repomap_pb2,
    repomap_service_pb2,
    repomap_service_pb2_grpc,
)
from toolmesh.workspace.v1 import (
    workspace_pb2,
    workspace_service_pb2,
    workspace_service_pb2_grpc,
)
from toolmesh_client.channels import open_channel, service_address
from toolmesh_repomap.service import open_service
from toolmesh_repomap.settings import Settings
from toolmesh_serving.server import running
from toolmesh_serving.tokens import count_tokens
from toolmesh_workspace.service import open_service as open_workspace_service
from toolmesh_workspace.settings import Settings as WorkspaceSettings
from toolmesh_workspaces.push import push_folder

TokenOf = Callable[..., Awaitable[str]]
Map = Callable[..., Awaitable[repomap_service_pb2.MapResponse]]

_FILES = {
    "shop/money.py": "class Amount:\n    def plus_tax(self, rate):\n        return self\n",
    "shop/cart.py": """from shop.money import Amount

def sum_up(items):
    return Amount(items)
""",
    "bad/latin.py": b"x = '\xe9'\n",
    "bad/deep.py": "x = " + "(\n" * 10_000 + ")\n" * 10_000,
    "README.md": "# Shop\n",
}


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture
async def workspaces(
    identity_pattern: str, valkey_url: str, socket_folder: Path, token_of: TokenOf
) -> AsyncGenerator[workspace_service_pb2_grpc.WorkspaceServiceStub]:
    """A running workspace service, called by the developer ann."""
    address = service_address(identity_pattern, "workspace")
    settings = WorkspaceSettings(
        listen=address,
        address_pattern=identity_pattern,
        redis_url=valkey_url,
        blob_store=str(socket_folder / "blobs"),
    )
    token = await token_of("developer", subject="ann")

    async def anns_token() -> str:
        return token

    async with (
        open_workspace_service(settings) as service,
        running(settings, service),
        open_channel(address, token=anns_token) as channel,
    ):
        yield workspace_service_pb2_grpc.WorkspaceServiceStub(channel)


@pytest.fixture
async def repomap(
    identity_pattern: str, tmp_path: Path
) -> AsyncGenerator[repomap_service_pb2_grpc.RepomapServiceStub]:
    """A running repomap service, called by nobody in particular."""
    address = service_address(identity_pattern, "repomap")
    settings = Settings(
        listen=address, address_pattern=identity_pattern, data_folder=tmp_path / "repomap"
    )
    async with (
        open_service(settings) as service,
        running(settings, service),
        open_channel(address) as channel,
    ):
        yield repomap_service_pb2_grpc.RepomapServiceStub(channel)


@pytest.fixture
async def draw(repomap: repomap_service_pb2_grpc.RepomapServiceStub, token_of: TokenOf) -> Map:
    """Asks for maps as the developer ann, unless told otherwise."""
    tokens = {"ann": await token_of("developer", subject="ann")}

    async def draw(
        workspace: str, *, subject: str = "ann", **fields: Any
    ) -> repomap_service_pb2.MapResponse:
        if subject not in tokens:
            tokens[subject] = await token_of("developer", subject=subject)
        request = repomap_service_pb2.MapRequest(workspace=workspace, **fields)
        return await repomap.Map(request, metadata=_bearer(tokens[subject]))

    return draw


async def _create(stub: workspace_service_pb2_grpc.WorkspaceServiceStub) -> str:
    request = workspace_service_pb2.CreateWorkspaceRequest(display_name="shop")
    return (await stub.CreateWorkspace(request)).workspace.id


async def _push(
    stub: workspace_service_pb2_grpc.WorkspaceServiceStub, workspace: str, root: Path
) -> str:
    for path, content in _FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return (await push_folder(stub, workspace=workspace, root=root)).workspace.snapshot


@pytest.fixture
async def shop(
    workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub, tmp_path: Path
) -> tuple[str, str]:
    """A pushed workspace of ann's: its id and its snapshot."""
    workspace = await _create(workspaces)
    return workspace, await _push(workspaces, workspace, tmp_path / "shop")


def _failure(
    error: grpc.aio.AioRpcError,
) -> tuple[grpc.StatusCode, str, list[str]]:
    """The code, the reason and the fields that a failure names."""
    failed: Any = error  # has what a call has, which its type does not say
    status = rpc_status.from_call(failed)
    assert status is not None
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    return error.code(), info.reason, [each.field for each in bad_request.field_violations]


async def test_maps_a_workspace(draw: Map, shop: tuple[str, str]) -> None:
    """The newest snapshot is mapped, bad files are named, and the costs are told."""
    workspace, snapshot = shop
    answer = await draw(workspace)
    assert answer.map.startswith("shop/money.py:\n1 class Amount\n2   def plus_tax(self, rate)")
    assert answer.token_count == count_tokens(answer.map)
    assert answer.snapshot == snapshot
    assert not answer.truncated
    assert answer.shown_file_count == 5
    assert {each.path: each.reason for each in answer.skipped_files} == {
        "bad/latin.py": "not UTF-8",
        "bad/deep.py": "nested too deep",
    }
    assert answer.skipped_file_count == 2
    assert answer.stats.file_count == 5
    assert answer.stats.source_file_count == 4
    assert answer.stats.parsed_file_count == 4
    again = await draw(workspace, snapshot=snapshot)
    assert again.map == answer.map
    assert again.stats.parsed_file_count == 0


async def test_a_second_push_parses_what_changed(
    draw: Map,
    workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub,
    shop: tuple[str, str],
    tmp_path: Path,
) -> None:
    """Only new contents are parsed, and the old snapshot can still be mapped."""
    workspace, old = shop
    before = await draw(workspace)
    root = tmp_path / "shop"
    (root / "shop" / "cart.py").write_text("def count_items():\n    pass\n")
    await push_folder(workspaces, workspace=workspace, root=root)
    answer = await draw(workspace)
    assert answer.stats.parsed_file_count == 1
    assert "def count_items()" in answer.map
    assert (await draw(workspace, snapshot=old)).map == before.map


@pytest.mark.parametrize("max_tokens", [1, 7, 20, 1_000_000])
async def test_keeps_to_the_budget(draw: Map, shop: tuple[str, str], max_tokens: int) -> None:
    """The map never has more tokens than were asked for."""
    answer = await draw(shop[0], max_tokens=max_tokens)
    assert answer.token_count == count_tokens(answer.map) <= max_tokens
    assert answer.truncated == (max_tokens < 1000)


async def test_focus_and_mentions_are_passed_on(draw: Map, shop: tuple[str, str]) -> None:
    """A mentioned name comes first."""
    answer = await draw(shop[0], mentioned_names=["sum_up"], focus_paths=["shop/money.py"])
    assert answer.map.startswith("shop/cart.py:\n3 def sum_up(items)")


async def test_a_question_is_passed_on(draw: Map, shop: tuple[str, str]) -> None:
    """What the question is about comes first."""
    answer = await draw(shop[0], question="how are items summed up?")
    assert answer.map.startswith("shop/cart.py:\n3 def sum_up(items)")


async def test_a_question_that_is_too_long_is_refused(draw: Map, shop: tuple[str, str]) -> None:
    """A question has a limit, and its field is named."""
    assert (await draw(shop[0], question="tax " * 2500)).map
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await draw(shop[0], question="tax " * 2501)
    code, _, fields = _failure(caught.value)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["question"])


async def test_the_structured_view(draw: Map, shop: tuple[str, str]) -> None:
    """The map as messages, in place of the text and in the same budget."""
    answer = await draw(shop[0], view=repomap_pb2.MAP_VIEW_STRUCTURED)
    assert answer.map == ""
    money = answer.files[0]
    assert (money.path, money.language, money.role, money.rank) == (
        "shop/money.py",
        "python",
        repomap_pb2.FILE_ROLE_CODE,
        1,
    )
    assert (money.used_by_file_count, money.uses_file_count) == (1, 0)
    amount, plus_tax = money.symbols
    assert (amount.name, amount.kind, amount.signature) == ("Amount", "class", "class Amount")
    assert (plus_tax.container, plus_tax.start_line, plus_tax.end_line) == ("Amount", 2, 3)
    assert len(answer.files) == answer.shown_file_count == 5
    small = await draw(shop[0], view=repomap_pb2.MAP_VIEW_STRUCTURED, max_tokens=150)
    assert 0 < small.token_count <= 150
    assert small.left_out_file_count == 5 - len(small.files) > 0
    assert small.left_out_definition_count == 3 - sum(len(file.symbols) for file in small.files)


async def test_unknown_focus_path(draw: Map, shop: tuple[str, str]) -> None:
    """A focus path that is no file is refused by the name of its field."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await draw(shop[0], focus_paths=["shop/cart.py", "shop/none.py"])
    assert _failure(caught.value) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FOCUS_PATH_UNKNOWN",
        ["focus_paths[1]"],
    )


async def test_empty_workspace(
    draw: Map, workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub
) -> None:
    """A workspace that nothing was pushed to has no map yet."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await draw(await _create(workspaces))
    assert _failure(caught.value)[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "WORKSPACE_EMPTY")


async def test_unknown_and_foreign_workspaces(draw: Map, shop: tuple[str, str]) -> None:
    """Someone else's workspace is as unknown as one that does not exist, mapped before or not."""
    await draw(shop[0])
    for workspace, subject in (("no-such-workspace", "ann"), (shop[0], "bob")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await draw(workspace, subject=subject)
        assert _failure(caught.value)[:2] == (grpc.StatusCode.NOT_FOUND, "WORKSPACE_UNKNOWN")


async def test_who_is_unshared_reads_no_more(
    draw: Map,
    shop: tuple[str, str],
    workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub,
) -> None:
    """Nothing that was kept of its maps outlives its access, by the newest snapshot or its id."""
    workspace, snapshot = shop
    share = workspace_service_pb2.ShareWorkspaceRequest(
        workspace=workspace, subject="bob", access=workspace_pb2.WORKSPACE_ACCESS_READER
    )
    unshare = workspace_service_pb2.UnshareWorkspaceRequest(workspace=workspace, subject="bob")
    for _ in range(2):
        await workspaces.ShareWorkspace(share)
        for wanted in ("", snapshot):
            assert (await draw(workspace, subject="bob", snapshot=wanted)).map
        await workspaces.UnshareWorkspace(unshare)
        for wanted in ("", snapshot):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await draw(workspace, subject="bob", snapshot=wanted)
            assert _failure(caught.value)[:2] == (grpc.StatusCode.NOT_FOUND, "WORKSPACE_UNKNOWN")
    assert (await draw(workspace)).map


async def test_unknown_snapshot(draw: Map, shop: tuple[str, str]) -> None:
    """A snapshot that the workspace does not have is not found."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await draw(shop[0], snapshot="0" * 64)
    assert _failure(caught.value)[:2] == (grpc.StatusCode.NOT_FOUND, "SNAPSHOT_UNKNOWN")


async def test_needs_the_scope(
    repomap: repomap_service_pb2_grpc.RepomapServiceStub, token_of: TokenOf
) -> None:
    """Without a token, or with one that lacks the scope, nothing is told."""
    request = repomap_service_pb2.MapRequest(workspace="any")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await repomap.Map(request)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    auditor = await token_of("auditor")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await repomap.Map(request, metadata=_bearer(auditor))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
