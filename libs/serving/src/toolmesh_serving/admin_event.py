"""Events of administration: what a service leaves for the audit log together with its change.

A service adds the fields to the stream in the same transaction as the change itself, so that there
is never one without the other:

    async with store.pipeline(transaction=True) as pipe:
        pipe.set(key, record)
        pipe.xadd(ADMIN_EVENTS_STREAM, admin_event_fields("identity.api_key.create", key_id))
        await pipe.execute()

The audit service takes them from there into its chain. Nothing here imports Redis.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from toolmesh_serving.call import current_call

ADMIN_EVENTS_STREAM: Final = "audit:outbox"

# Names of what must never be kept, wherever they stand in `before` or `after`.
_SECRET_NAME = re.compile(r"secret|password|passwd|token|private|credential|hash|salt|api_?key$")
# What only tells of one: which, when, how many.
_ABOUT_SECRET = re.compile(r"_(id|ids|time|count|seconds|version|name|prefix)$")
_KEY = re.compile(r"tm[a-z]_[A-Za-z0-9]+_[A-Za-z0-9_-]{20,}")
# What only begins as a token does is matched, too. Else a text of nothing but such beginnings,
# which any caller can send, would be looked through once for each of them.
_TOKEN_OR_BEGINNING = re.compile(r"eyJ[\w-]+(\.[\w-]+\.[\w-]*)?+")
_REMOVED = "[removed]"


def admin_event_fields(
    action: str,
    target: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The fields of one event, for `XADD`; caller and request id are those of the current RPC.

    Outside of an RPC, as at a service's first start, the actor is `system`. Where the caller's
    token was delegated, the actor is its subject, and who acts for that is the delegate.

    Args:
        action: what was done, `<service>.<noun>.<verb>`, for example `identity.user.suspend`.
        target: the id of what it was done to.
        before: what was there, plain data; None: nothing.
        after: what is there now; None: nothing. Values of members whose names speak of secrets are
            left out of both, and so are API keys and tokens within any text.
    """
    actor, delegate, session, request_id = _origin()
    return {
        "time": repr(time.time()),
        "actor": actor,
        "session": session,
        "delegate": delegate,
        "action": action,
        "target": without_secrets(target),
        "before": _json(before),
        "after": _json(after),
        "request_id": request_id,
    }


def without_secrets(value: Any) -> Any:
    """Plain data with the values of secret members, and keys and tokens in texts, left out."""
    if isinstance(value, str):
        return _KEY.sub(_REMOVED, _TOKEN_OR_BEGINNING.sub(_without_token, value))
    if isinstance(value, Mapping):
        return {
            str(name): _REMOVED if item and _is_secret(str(name)) else without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [without_secrets(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return _REMOVED
    return value


def _without_token(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else _REMOVED


def _is_secret(name: str) -> bool:
    name = name.lower()
    return bool(_SECRET_NAME.search(name)) and not _ABOUT_SECRET.search(name)


def _json(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    return json.dumps(without_secrets(value), sort_keys=True, separators=(",", ":"), default=str)


def _origin() -> tuple[str, str, str, str]:
    try:
        call = current_call()
    except LookupError:
        return "system", "", "", ""
    caller = call.caller
    if caller is None:
        return "", "", "", call.request_id
    return caller.subject, caller.actor, caller.session, call.request_id
