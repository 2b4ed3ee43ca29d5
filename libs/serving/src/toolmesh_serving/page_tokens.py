"""Opaque page tokens (AIP-158): where the next page begins, and of which list.

A token is short, for it counts among the tokens of an answer. Its check keeps out typing errors and
tokens of other lists. It is no signature and needs none: a position chooses among what the caller
may see anyway.
"""

import base64
import hashlib
from typing import Annotated, Any, TypeVar

import msgspec
from google.protobuf.message import Message

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError

T = TypeVar("T")
Count = Annotated[int, msgspec.Meta(ge=0)]
"""A number of items that come before a page."""

_CHECK_BYTES = 8
# What says which page, and how much is on it, but not of what.
_PAGE_FIELDS = ("page_token", "page_size", "max_tokens")


class PageTokenInvalid(ToolmeshError):
    """The page token is not one that this list gave."""

    code = Code.INVALID_ARGUMENT
    reason = "PAGE_TOKEN_INVALID"


def list_name(request: Message) -> bytes:
    """Return what tells the list that a request asks for from others, whatever the page."""
    plain = type(request)()
    plain.CopyFrom(request)
    for field in _PAGE_FIELDS:
        if field in plain.DESCRIPTOR.fields_by_name:
            plain.ClearField(field)
    said = plain.DESCRIPTOR.full_name.encode(), plain.SerializeToString(deterministic=True)
    return hashlib.sha256(b"\0".join(said)).digest()


def write_page_token(position: Any, *, of: bytes) -> str:
    """Return the token of the page at a position, which msgspec can encode, of the list named."""
    body = msgspec.msgpack.encode(position)
    return base64.urlsafe_b64encode(_check(body, of) + body).decode().rstrip("=")


def read_page_token(token: str, form: type[T], *, of: bytes) -> T:
    """Return the position of a token; `form` is its type.

    Raises:
        PageTokenInvalid: the token is not one of the list named.
    """
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if check == _check(body, of):
            return msgspec.msgpack.decode(body, type=form)
    except ValueError:
        pass
    why = "not one that this list gave: use the last `next_page_token`, and the same other fields"
    raise PageTokenInvalid(
        f"page_token: {why}", field_violations=[FieldViolation("page_token", why)]
    )


def _check(body: bytes, of: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(of).digest() + body).digest()[:_CHECK_BYTES]
