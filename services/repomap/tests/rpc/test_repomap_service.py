"""The repomap service as its callers meet it: real servers, real stubs, a real workspace."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

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
from toolmesh_serving.tokens import count_tokens

Call = Callable[..., Awaitable[Any]]
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
def repomap(repomap_channel: grpc.aio.Channel) -> repomap_service_pb2_grpc.RepomapServiceStub:
    """The stub of a running repomap service, called by nobody in particular."""
    return repomap_service_pb2_grpc.RepomapServiceStub(repomap_channel)


@pytest.fixture
async def draw(repomap: repomap_service_pb2_grpc.RepomapServiceStub, token_of: Call) -> Map:
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


@pytest.fixture
async def shop(push_tree: Call) -> tuple[str, str]:
    """A pushed workspace of ann's: its id and its snapshot."""
    workspace = await push_tree(_FILES)
    return workspace.id, workspace.snapshot


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
    draw: Map, shop: tuple[str, str], push_tree: Call
) -> None:
    """Only new contents are parsed, and the old snapshot can still be mapped."""
    workspace, old = shop
    before = await draw(workspace)
    changed = {"shop/cart.py": "def count_items():\n    pass\n"}
    await push_tree(_FILES | changed, workspace=workspace)
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


async def test_a_question_that_is_too_long_is_refused(
    draw: Map, shop: tuple[str, str], failure_of: Call
) -> None:
    """A question has a limit, and its field is named."""
    assert (await draw(shop[0], question="tax " * 2500)).map
    failure = await failure_of(draw(shop[0], question="tax " * 2501))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(failure.fields) == ["question"]


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


async def test_unknown_focus_path(draw: Map, shop: tuple[str, str], failure_of: Call) -> None:
    """A focus path that is no file is refused by the name of its field, and files are proposed."""
    paths = ["shop/cart.py", "./shop/cart.py", "shop/none.py"]
    failure = await failure_of(draw(shop[0], focus_paths=paths))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "FOCUS_PATH_UNKNOWN"
    assert list(failure.fields) == ["focus_paths[1]", "focus_paths[2]"]
    assert "did you mean shop/cart.py" in failure.fields["focus_paths[1]"]


async def test_empty_workspace(
    draw: Map, workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub, failure_of: Call
) -> None:
    """A workspace that nothing was pushed to has no map yet."""
    request = workspace_service_pb2.CreateWorkspaceRequest(display_name="empty")
    made = await workspaces.CreateWorkspace(request)
    failure = await failure_of(draw(made.workspace.id))
    assert (failure.code, failure.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "WORKSPACE_EMPTY",
    )


async def test_unknown_and_foreign_workspaces(
    draw: Map, shop: tuple[str, str], failure_of: Call
) -> None:
    """Someone else's workspace is as unknown as one that does not exist, mapped before or not."""
    await draw(shop[0])
    for workspace, subject in (("no-such-workspace", "ann"), (shop[0], "bob")):
        failure = await failure_of(draw(workspace, subject=subject))
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "WORKSPACE_UNKNOWN")


async def test_who_is_unshared_reads_no_more(
    draw: Map,
    shop: tuple[str, str],
    workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub,
    failure_of: Call,
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
            failure = await failure_of(draw(workspace, subject="bob", snapshot=wanted))
            assert (failure.code, failure.reason) == (
                grpc.StatusCode.NOT_FOUND,
                "WORKSPACE_UNKNOWN",
            )
    assert (await draw(workspace)).map


async def test_unknown_snapshot(draw: Map, shop: tuple[str, str], failure_of: Call) -> None:
    """A snapshot that the workspace does not have is not found."""
    failure = await failure_of(draw(shop[0], snapshot="0" * 64))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "SNAPSHOT_UNKNOWN")


async def test_needs_the_scope(
    repomap: repomap_service_pb2_grpc.RepomapServiceStub, token_of: Call, failure_of: Call
) -> None:
    """Without a token, or with one that lacks the scope, nothing is told."""
    request = repomap_service_pb2.MapRequest(workspace="any")
    assert (await failure_of(repomap.Map(request))).code is grpc.StatusCode.UNAUTHENTICATED
    auditor = await token_of("auditor")
    failure = await failure_of(repomap.Map(request, metadata=_bearer(auditor)))
    assert failure.code is grpc.StatusCode.PERMISSION_DENIED


async def test_indexing_tells_how_far_it_is(
    repomap: repomap_service_pb2_grpc.RepomapServiceStub,
    draw: Map,
    shop: tuple[str, str],
    token_of: Call,
) -> None:
    """A first index streams its progress and ends with the summary; a second has nothing to do."""
    request = repomap_service_pb2.IndexRequest(workspace=shop[0])
    metadata = _bearer(await token_of("developer", subject="ann"))
    steps = [step async for step in repomap.Index(request, metadata=metadata)]
    progress = [step.progress for step in steps[:-1]]
    assert progress
    assert all(step.total_count == 5 for step in progress)
    done = [step.done_count for step in progress]
    assert done == sorted(done)
    assert done[-1] == 5
    summary = steps[-1].summary
    assert (summary.snapshot, summary.file_count, summary.source_file_count) == (shop[1], 5, 4)
    assert (summary.parsed_file_count, summary.definition_count) == (4, 3)
    assert {each.path for each in summary.skipped_files} == {"bad/latin.py", "bad/deep.py"}
    assert summary.skipped_file_count == 2
    assert (await draw(shop[0])).stats.parsed_file_count == 0
    again = [step async for step in repomap.Index(request, metadata=metadata)]
    assert len(again) == 1
    assert again[0].summary.parsed_file_count == 0


async def test_indexing_of_a_foreign_workspace(
    repomap: repomap_service_pb2_grpc.RepomapServiceStub,
    shop: tuple[str, str],
    token_of: Call,
    failure_of: Call,
) -> None:
    """Someone else's workspace is as unknown as none."""
    request = repomap_service_pb2.IndexRequest(workspace=shop[0])
    metadata = _bearer(await token_of("developer", subject="bob"))
    failure = await failure_of(repomap.Index(request, metadata=metadata).read())
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "WORKSPACE_UNKNOWN")
