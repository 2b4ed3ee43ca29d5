"""Page tokens say which order of hits they go on with."""

import pytest

from toolmesh_codesearch.page_tokens import PageToken
from toolmesh_serving.page_tokens import PageTokenInvalid, write_page_token


def test_a_token_names_its_order() -> None:
    """It comes back as it was, for its own search alone."""
    token = PageToken(10, b"d" * 32, b"search", b"order")
    assert PageToken.read(token.encode(), b"search") == token
    with pytest.raises(PageTokenInvalid):
        PageToken.read(token.encode(), b"another")


def test_a_token_from_before_orders_were_named_goes_on() -> None:
    """In whichever order the search has now."""
    token = write_page_token((10, b"d" * 32), of=b"search")
    assert PageToken.read(token, b"search") == PageToken(10, b"d" * 32, b"search")
