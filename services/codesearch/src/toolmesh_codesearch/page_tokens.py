"""Tokens that say where the next page of a search's hits begins."""

import msgspec

from toolmesh_serving.page_tokens import Count, read_page_token, write_page_token


class _Begin(msgspec.Struct, frozen=True, array_like=True):
    offset: Count
    snapshot: bytes
    # Tokens had none once.
    order: bytes = b""


class PageToken(msgspec.Struct, frozen=True):
    """The next page: how many hits come before it, of which snapshot, of which search.

    `order` tells in which order they came.
    """

    offset: int
    snapshot: bytes
    search: bytes
    order: bytes = b""

    def encode(self) -> str:
        """Return the token as text."""
        return write_page_token(_Begin(self.offset, self.snapshot, self.order), of=self.search)

    @classmethod
    def read(cls, token: str, search: bytes) -> "PageToken":
        """Return what a token says; it raises PageTokenInvalid."""
        begin = read_page_token(token, _Begin, of=search)
        return cls(begin.offset, begin.snapshot, search, begin.order)
