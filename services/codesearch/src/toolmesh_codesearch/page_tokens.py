"""Tokens that say where the next page of a search's hits begins."""

import base64
import hashlib

import msgspec

from toolmesh_codesearch.errors import PageTokenInvalid


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """The next page: how many hits come before it, of which snapshot, of which search."""

    offset: int
    snapshot: str
    search: str

    def encode(self) -> str:
        """Return the token as text."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode()


def search_name(request: bytes) -> str:
    """Return what tells one search from another; the request is written without its page."""
    return hashlib.sha256(request).hexdigest()[:16]


def read_page_token(token: str, name: str) -> PageToken:
    """Return what a token says.

    Raises:
        PageTokenInvalid: it is none of ours, or of another search.
    """
    try:
        read = msgspec.msgpack.decode(base64.urlsafe_b64decode(token), type=PageToken)
    except ValueError as error:
        raise PageTokenInvalid.of("take it from `next_page_token` as it is") from error
    if read.search != name:
        raise PageTokenInvalid.of("it belongs to a search with other fields")
    if read.offset < 0:
        raise PageTokenInvalid.of("take it from `next_page_token` as it is")
    return read
