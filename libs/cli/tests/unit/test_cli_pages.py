"""Answers in pages: how large pages are, and what is said of what is not shown."""

from typing import Any

import pytest

from toolmesh.codesearch.v1 import codesearch_service_pb2, hit_pb2
from toolmesh.identity.v1 import user_pb2, user_service_pb2
from toolmesh.repomap.v1 import repomap_service_pb2
from toolmesh.semgrep.v1 import finding_pb2, semgrep_service_pb2
from toolmesh_cli.mesh_contract import contract, groups
from toolmesh_cli.pages import Wanted, how_to_see_more, is_paged, most_a_page
from toolmesh_contracts.field_rules import FieldRules

_OPTION = "--{}={}".format
_SEARCH = groups()["codesearch"]["search"]
_SCAN = groups()["semgrep"]["scan"]
_HITS = [hit_pb2.Hit(path="a.py")] * 3


def test_the_largest_page_is_one_that_the_method_takes() -> None:
    """Every paged method takes that many items, and no more."""
    paged = [method for method in contract().methods if is_paged(method)]
    assert {most_a_page(method) for method in paged} == {100, 1000}
    for method in paged:
        request: Any = method.input_class()
        rules = FieldRules(method.input)
        for size, refused in ((most_a_page(method), False), (most_a_page(method) + 1, True)):
            request.page_size = size
            wrong = [violation.field for violation in rules.violations(request)]
            assert ("page_size" in wrong) is refused, method.path


@pytest.mark.parametrize(
    ("limit", "max_tokens", "told"),
    [
        (3, 0, "3 of 40 hits: --limit 0 shows all"),
        (3, 700, "3 of 40 hits: --limit 0 without --max_tokens shows all"),
        (9, 700, "3 of 40 hits: a larger --max_tokens shows more"),
        (0, 700, "3 of 40 hits: a larger --max_tokens shows more"),
    ],
)
def test_a_list_that_is_cut_says_what_cut_it(limit: int, max_tokens: int, told: str) -> None:
    """A limit is lifted by another limit, a budget by a larger one."""
    answer = codesearch_service_pb2.SearchResponse(hits=_HITS, hit_count=40, next_page_token="t")
    request = codesearch_service_pb2.SearchRequest(max_tokens=max_tokens)
    wanted = Wanted(typed=_OPTION, limit=limit)
    assert how_to_see_more(_SEARCH, request, answer, wanted) == told


def test_where_no_count_is_known_there_are_more_than_are_shown() -> None:
    """The list's name says of what."""
    users = user_service_pb2.ListUsersResponse(users=[user_pb2.User()], next_page_token="t")
    request = user_service_pb2.ListUsersRequest()
    wanted = Wanted(typed=_OPTION, limit=1)
    assert how_to_see_more(groups()["users"]["list"], request, users, wanted) == (
        "there are more than 1 users: --limit 0 shows all"
    )


def test_a_page_names_the_option_with_the_next_one() -> None:
    """The count may stand in a message of the answer."""
    answer = semgrep_service_pb2.ScanResponse(
        findings=[finding_pb2.Finding()] * 2,
        truncated=True,
        next_page_token="t0k",
        summary=semgrep_service_pb2.ScanSummary(finding_count=7),
    )
    request = semgrep_service_pb2.ScanRequest()
    assert how_to_see_more(_SCAN, request, answer, Wanted(typed=_OPTION)) == (
        "2 of 7 findings on this page: --page_token=t0k shows the next; "
        "a larger --max_tokens shows more at once"
    )


def test_a_cut_text_asks_for_a_larger_budget() -> None:
    """A whole one asks for nothing."""
    method = groups()["repomap"]["map"]
    request, wanted = repomap_service_pb2.MapRequest(), Wanted(typed="{}={}".format)
    cut = repomap_service_pb2.MapResponse(map="a.py:", truncated=True)
    assert how_to_see_more(method, request, cut, wanted) == (
        "this is not all: a larger max_tokens shows more"
    )
    whole = repomap_service_pb2.MapResponse(map="a.py:")
    assert how_to_see_more(method, request, whole, wanted) == ""
