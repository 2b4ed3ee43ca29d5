"""Tokens that say where the next page of an answer begins."""

import base64
import hashlib

import msgspec

from toolmesh_repomap.errors import PageTokenInvalid


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """The next page: what comes before it, of which snapshot, of which question.

    `items` come before it, and of the next one that has parts so many `parts`.
    """

    items: int = 0
    parts: int = 0
    snapshot: str = ""
    question: str = ""

    def encode(self) -> str:
        """Return the token as text."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode()


def question_name(request: bytes) -> str:
    """Return what tells one question from another; the request is written without its page."""
    return hashlib.sha256(request).hexdigest()[:16]


def read_page_token(token: str, question: str) -> PageToken:
    """Return what a token says.

    Raises:
        PageTokenInvalid: it is none of ours, or of another question.
    """
    try:
        read = msgspec.msgpack.decode(base64.urlsafe_b64decode(token), type=PageToken)
    except ValueError as error:
        raise PageTokenInvalid.of("take it from `next_page_token` as it is") from error
    if read.question != question:
        raise PageTokenInvalid.of("it belongs to a question with other fields")
    if min(read.items, read.parts) < 0:
        raise PageTokenInvalid.of("take it from `next_page_token` as it is")
    return read
