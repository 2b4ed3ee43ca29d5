"""Reads a credential's record and all that its rights hang on, in one go."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from toolmesh_contracts.call_rates import DEFAULT_CALLS_PER_MINUTE
from toolmesh_identity.revocation_log import STREAM, sequence_of
from toolmesh_identity.roles import VERSION, Role, RoleBook, calls_per_minute_of
from toolmesh_identity.user_records import USER_PREFIX, User, parse_user
from toolmesh_serving.redis_store import Store, reaching_store

# One script, so that what it reads fits together: a token is minted with the last revocation that
# was there when its rights were read, and any later one ends it. The names of the keys of users
# depend on what is read, which is why the store cannot be a cluster.
_READ: Final = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local record = redis.call('GET', KEYS[3])
local user = false
if record then
  user = redis.call('GET', ARGV[1] .. cjson.decode(record)['subject'])
end
local id = '0-0'
if last[1] then id = last[1][1] end
return {id, redis.call('GET', KEYS[2]), record, user, redis.call('GET', KEYS[4])}
"""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a token hangs on: whatever revokes it, and how often it may be used.

    Attributes:
        session: a sign-in, `session:<id>`, or an API key, `key:<id>`.
        user: the random id of the user; empty: of none.
        revision: the last revocation that was there when the rights were read.
        end: when the session or key ends by itself, in seconds since the epoch; 0: never.
        calls_per_minute: of all credentials of the subject together.
        key_calls_per_minute: of the API key; 0: no limit of its own.
    """

    session: str
    user: str
    revision: int
    end: float = 0
    calls_per_minute: int = DEFAULT_CALLS_PER_MINUTE
    key_calls_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """A credential as it is kept, and what its rights hang on.

    Attributes:
        record: the credential; None: there is none.
        extra: what stands beside it.
        user: whose it is; None: of nobody whom identity knows.
        revision: the sequence of the last revocation before this was read.
    """

    record: Mapping[str, Any] | None
    extra: bytes | None
    user: User | None
    roles: Mapping[str, Role]
    revision: int

    def rights(self, session: str, *, end: float) -> Rights:
        """What the credential's tokens hang on.

        A user's own roles decide how often it may call, not those of one of its keys: its calls
        count together. Only a key of nobody whom identity knows goes by its own.
        """
        record = self.record or {}
        names = self.user.roles if self.user else record.get("roles", ())
        return Rights(
            session=session,
            user=self.user.uid if self.user else "",
            revision=self.revision,
            end=end,
            calls_per_minute=calls_per_minute_of(names, self.roles),
            key_calls_per_minute=record.get("calls_per_minute", 0),
        )


class Holders:
    """Reads credentials."""

    def __init__(self, store: Store, roles: RoleBook) -> None:
        self._read_all = store.register_script(_READ)
        self._roles = roles

    async def read(self, record_key: str, *, extra_key: str = "") -> Holder:
        """The credential kept under `record_key`, and what lies under `extra_key`.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            last, version, record, user, extra = await self._read_all(
                keys=[STREAM, VERSION, record_key, extra_key], args=[USER_PREFIX]
            )
        return Holder(
            record=None if record is None else orjson.loads(record),
            extra=extra,
            user=None if user is None else parse_user(user),
            roles=await self._roles.at(version),
            revision=sequence_of(last),
        )
