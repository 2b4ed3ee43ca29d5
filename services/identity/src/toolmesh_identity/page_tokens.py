"""Page tokens of the lists in Redis: the last member of the page before, made opaque."""

import base64
import binascii
import re
from collections.abc import Sequence

from toolmesh_identity.errors import PageTokenInvalid
from toolmesh_serving.errors import FieldViolation


def write_page_token(members: Sequence[bytes], *, page_size: int) -> str:
    """The token of the page after the first `page_size` members; empty if there are no more."""
    if len(members) <= page_size:
        return ""
    return base64.urlsafe_b64encode(members[page_size - 1]).decode()


def read_page_token(page_token: str, form: re.Pattern[bytes]) -> bytes:
    """The member after which a page starts.

    Args:
        form: what a member of the list looks like.

    Raises:
        PageTokenInvalid: the token is not one of this list.
    """
    try:
        member = base64.b64decode(page_token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        member = b""
    if not form.fullmatch(member):
        raise PageTokenInvalid(
            "page_token is not one that this list gave",
            field_violations=[FieldViolation("page_token", "use the last next_page_token")],
        )
    return member
