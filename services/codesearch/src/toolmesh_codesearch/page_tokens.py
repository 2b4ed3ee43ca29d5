"""Tokens that say where the next page of a search's hits begins.

They are short, as they count among the tokens of an answer.
"""

import base64
import hashlib

import msgspec

from toolmesh_codesearch.errors import PageTokenInvalid

_AS_IT_IS = "take it from `next_page_token` as it is"


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """The next page: how many hits come before it, of which snapshot, of which search."""

    offset: int
    snapshot: bytes
    search: bytes

    def encode(self) -> str:
        """Return the token as text."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def search_name(request: bytes) -> bytes:
    """Return what tells one search from another; the request is written without its page."""
    return hashlib.sha256(request).digest()[:8]


def read_page_token(token: str, name: bytes) -> PageToken:
    """Return what a token says.

    Raises:
        PageTokenInvalid: it is none of ours, or of another search.
    """
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        read = msgspec.msgpack.decode(data, type=PageToken)
    except ValueError as error:
        raise PageTokenInvalid.of(_AS_IT_IS) from error
    if read.search != name:
        raise PageTokenInvalid.of("it belongs to a search with other fields")
    if read.offset < 0 or len(read.snapshot) != 32:
        raise PageTokenInvalid.of(_AS_IT_IS)
    return read
