"""Page tokens."""

import msgspec
import pytest

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh_serving.page_tokens import (
    Count,
    PageTokenInvalid,
    list_name,
    read_page_token,
    write_page_token,
)


class _Position(msgspec.Struct, frozen=True, array_like=True):
    offset: Count
    snapshot: bytes


def test_a_token_gives_its_position_back() -> None:
    """Of any form, in letters that need no escaping anywhere."""
    for position, form in ((_Position(7, b"\xff" * 32), _Position), (3, int), (b"x", bytes)):
        token = write_page_token(position, of=b"list")
        assert read_page_token(token, form, of=b"list") == position
        assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("token", ["x", "!!!", "ä", "AAAA", "A" * 40, "=", " ", "a" * 256])
def test_garbled_tokens_are_refused(token: str) -> None:
    """The field is named, and what to do."""
    with pytest.raises(PageTokenInvalid, match="next_page_token") as caught:
        read_page_token(token, bytes, of=b"list")
    assert [violation.field for violation in caught.value.field_violations] == ["page_token"]


def test_tokens_of_other_lists_forms_and_ranges_are_refused() -> None:
    """A position means nothing in a list that did not give it."""
    token = write_page_token(5, of=b"list")
    with pytest.raises(PageTokenInvalid):
        read_page_token(token, int, of=b"other")
    with pytest.raises(PageTokenInvalid):
        read_page_token(token, bytes, of=b"list")
    with pytest.raises(PageTokenInvalid):
        read_page_token(write_page_token(_Position(-1, b""), of=b"list"), _Position, of=b"list")
    with pytest.raises(PageTokenInvalid):
        read_page_token("A" + token[1:], int, of=b"list")


def test_a_list_is_named_by_what_it_is_of() -> None:
    """The page and its size do not count, every other field and the method do."""
    rules = pb.ListRulesRequest(pack="python")
    page = pb.ListRulesRequest(pack="python", page_size=3, page_token="x")
    assert list_name(rules) == list_name(page)
    assert list_name(rules) != list_name(pb.ListRulesRequest(pack="go"))
    assert list_name(pb.ListRulesRequest()) != list_name(pb.ListLanguagesRequest())
