"""Tokens that say where the next page of a search's hits begins."""

import msgspec

from toolmesh_serving.page_tokens import Count, read_page_token, write_page_token


class _Begin(msgspec.Struct, frozen=True, array_like=True):
    offset: Count
    snapshot: bytes


class PageToken(msgspec.Struct, frozen=True):
    """The next page: how many hits come before it, of which snapshot, of which search."""

    offset: int
    snapshot: bytes
    search: bytes

    def encode(self) -> str:
        """Return the token as text."""
        return write_page_token(_Begin(self.offset, self.snapshot), of=self.search)

    @classmethod
    def read(cls, token: str, search: bytes) -> "PageToken":
        """Return what a token says; it raises PageTokenInvalid."""
        begin = read_page_token(token, _Begin, of=search)
        return cls(begin.offset, begin.snapshot, search)
