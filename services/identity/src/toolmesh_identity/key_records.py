"""API keys as they are kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from toolmesh_identity.revocation_log import queue_revocation
from toolmesh_identity.roles import Role, scopes_of
from toolmesh_identity.user_records import User

INDEX: Final = "identity:api_keys"  # sorted set of "<create time>:<id>", all of score 0
_ALL_OF_ONE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. Times are seconds since the epoch; 0 is never.

    Attributes:
        owner: the random id of the user that it belongs to; empty: of no user, so it has the rights
            that its maker gave it, and whatever a user of that name may do bounds them.
        limit: the scopes that were asked for when it was made; empty for all of its roles'.
        scopes: what it gives now: its roles' scopes, cut to `limit` and to its owner's. Not kept
            but worked out, so that a key gains the scopes of a tool that joins its roles later.
        old_hash: of the secret before the last rotation, taken until `old_end`.
    """

    id: str
    hash: str
    display_name: str
    subject: str
    roles: tuple[str, ...]
    limit: tuple[str, ...]
    scopes: tuple[str, ...]
    create_time: float
    expire_time: float = 0
    revoke_time: float = 0
    last_use_time: float = 0
    owner: str = ""
    calls_per_minute: int = 0
    old_hash: str = ""
    old_end: float = 0

    def is_live(self, now: float) -> bool:
        """Whether the key may be used, as far as itself is concerned."""
        return not self.revoke_time and not (self.expire_time and self.expire_time <= now)

    def reach(self, roles: Mapping[str, Role]) -> frozenset[str]:
        """The most that it gives, whatever its owner may do now."""
        given = scopes_of(self.roles, roles)
        return given & frozenset(self.limit) if self.limit else given

    def belongs(self, user: User | None) -> bool:
        """Whether `user`, the one who bears the subject's name now, lets the key be used."""
        if user is None:
            return not self.owner
        return not user.suspend_time and self.owner in ("", user.uid)


def parse_key(
    kept: Mapping[str, Any],
    *,
    roles: Mapping[str, Role],
    user: User | None,
    last_use: bytes | None,
) -> ApiKey:
    """A key from its record, with what it gives now."""
    worked_out: dict[str, Any] = {
        "roles": tuple(kept["roles"]),
        "limit": tuple(kept["limit"]),
        "scopes": (),
        "last_use_time": float(last_use or 0),
    }
    record = ApiKey(**{**kept, **worked_out})
    given = record.reach(roles)
    if user is not None:
        given &= user.scopes(roles)
    return replace(record, scopes=tuple(sorted(given)))


def serialize_key(record: ApiKey) -> bytes:
    """The record of a key."""
    kept = {name: getattr(record, name) for name in ApiKey.__slots__}
    del kept["scopes"], kept["last_use_time"]
    return orjson.dumps(kept)


def told(record: ApiKey) -> dict[str, Any]:
    """What the audit log hears of a key."""
    return {
        "id": record.id,
        "display_name": record.display_name,
        "subject": record.subject,
        "roles": list(record.roles),
        "scopes": list(record.scopes),
        "expire_time": record.expire_time,
        "revoke_time": record.revoke_time,
    }


def record_key(key_id: str) -> str:
    """Where a key's record lies."""
    return f"identity:api_key:{key_id}"


def last_use_key(key_id: str) -> str:
    """Where a key's last use lies."""
    return f"identity:api_key_use:{key_id}"


def subject_index(subject: str) -> str:
    """Like `INDEX`, of the keys of one subject."""
    return f"identity:api_keys_of:{subject}"


def session_of(key_id: str) -> str:
    """What a key's tokens hang on."""
    return f"key:{key_id}"


async def queue_revoking_keys(pipe: Any, subject: str) -> Callable[[], None]:
    """Reads the keys of a subject; what it returns queues their end into the transaction."""
    members: Sequence[bytes] = await pipe.zrange(subject_index(subject), 0, _ALL_OF_ONE)
    ids = [member.decode().partition(":")[2] for member in members]
    stored = await pipe.mget([record_key(key_id) for key_id in ids]) if ids else []
    live = [
        parse_key(orjson.loads(content), roles={}, user=None, last_use=None)
        for content in stored
        if content is not None
    ]

    def queue() -> None:
        now = time.time()
        for record in live:
            if not record.revoke_time:
                pipe.set(record_key(record.id), serialize_key(replace(record, revoke_time=now)))
                queue_revocation(pipe, "session", session_of(record.id))

    return queue
