"""Opaque page tokens (AIP-158): where in a list the next page begins."""

import base64
import binascii
import struct

from blake3 import blake3

from toolmesh_workspace.errors import PageTokenInvalid, at_field
from toolmesh_workspace.records import Position

_CHECK_BYTES = 8
_TIME = struct.Struct(">Q")


def write_page_token(position: Position, *, subject: str) -> str:
    """Return the token for what comes after that position in the subject's list."""
    body = _TIME.pack(position.update_time) + position.id.encode()
    return base64.urlsafe_b64encode(_check(body, subject) + body).decode().rstrip("=")


def read_page_token(token: str, *, subject: str) -> Position | None:
    """Return the position of a token, None for no token; it raises PageTokenInvalid.

    The check keeps out tokens of other lists and typing errors. It is no signature and needs none:
    a position chooses among what the list has anyway.
    """
    if not token:
        return None
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if check != _check(body, subject):
            raise _refusal()
        (update_time,) = _TIME.unpack(body[: _TIME.size])
        return Position(update_time, body[_TIME.size :].decode())
    except (binascii.Error, ValueError, struct.error):
        raise _refusal() from None


def _check(body: bytes, subject: str) -> bytes:
    return blake3(subject.encode() + b"\0" + body).digest(_CHECK_BYTES)


def _refusal() -> Exception:
    return at_field(PageTokenInvalid, "page_token", "is not one that this list gave")
