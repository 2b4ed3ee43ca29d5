"""API keys: made, checked, listed and revoked."""

import base64
import binascii
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from toolmesh_identity.errors import (
    ApiKeyInvalid,
    ApiKeyUnknown,
    PageTokenInvalid,
    RoleUnknown,
    ScopeNotInRoles,
    TimeInvalid,
)
from toolmesh_identity.roles import Role
from toolmesh_identity.secret import Secret
from toolmesh_serving.errors import FieldViolation
from toolmesh_serving.redis_store import Store, reaching_store

KEY_PREFIX = "tmk_"
_KEY_FORM = re.compile(r"tmk_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
_INDEX = "identity:api_keys"  # sorted set of "<create time>:<id>", all of score 0
# Keeps a record that is not there yet, and then its place in the index; both or neither.
_KEEP_NEW = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  redis.call('ZADD', KEYS[2], 0, ARGV[2])
end
"""
_LAST_USE_STEP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. Times are seconds since the epoch; 0 is never.

    Attributes:
        limit: the scopes that were asked for when it was made; empty for all of its roles'.
        scopes: what it gives now: its roles' scopes, cut to `limit`. Not kept but worked out, so
            that a key gains the scopes of a tool that joins its roles later.
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

    def is_live(self, now: float) -> bool:
        """Whether the key may be used."""
        return not self.revoke_time and not (self.expire_time and self.expire_time <= now)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to make. `scopes` empty: all that the roles give; `expire_time` None: never ends."""

    display_name: str
    subject: str
    roles: Sequence[str]
    scopes: Sequence[str] = ()
    expire_time: float | None = None


class ApiKeys:
    """The API keys of the mesh."""

    def __init__(self, store: Store, secret: Secret, roles: Mapping[str, Role]) -> None:
        self._store = store
        self._secret = secret
        self._roles = roles

    async def create(self, new: NewApiKey) -> tuple[ApiKey, str]:
        """Makes a key; returns its record and the whole key, which is not kept.

        Raises:
            RoleUnknown, ScopeNotInRoles, TimeInvalid: `new` asks for what cannot be.
            Unavailable: Redis does not answer.
        """
        if new.expire_time is not None and new.expire_time <= time.time():
            raise TimeInvalid(
                "expire_time lies in the past",
                field_violations=[FieldViolation("expire_time", "must lie in the future")],
            )
        whole = new_key()
        return await self.adopt(whole, new), whole

    async def adopt(self, whole: str, new: NewApiKey) -> ApiKey:
        """Keeps a key that was made before. One that is kept already stays as it is.

        Raises:
            ApiKeyInvalid: `whole` is not of a key's form.
            RoleUnknown, ScopeNotInRoles: `new` asks for what cannot be.
            Unavailable: Redis does not answer.
        """
        form = _KEY_FORM.fullmatch(whole)
        if form is None:
            raise ApiKeyInvalid("this is not an API key of Toolmesh")
        record = ApiKey(
            id=form[1],
            hash=self._secret.hash(whole).hex(),
            display_name=new.display_name,
            subject=new.subject,
            roles=tuple(sorted(set(new.roles))),
            limit=tuple(sorted(set(new.scopes))),
            scopes=self._granted(new.roles, new.scopes),
            create_time=time.time(),
            expire_time=new.expire_time or 0,
        )
        member = f"{int(record.create_time * 1e6):020d}:{record.id}"
        with reaching_store():
            await self._store.eval(
                _KEEP_NEW, 2, _record_key(record.id), _INDEX, _serialize(record), member
            )
        return record

    async def check(self, whole: str) -> ApiKey:
        """The record of a key that may be used now.

        Raises:
            ApiKeyInvalid: it may not; why is not told.
            Unavailable: Redis does not answer.
        """
        form = _KEY_FORM.fullmatch(whole)
        record = await self._find(form[1]) if form else None
        stored = bytes.fromhex(record.hash) if record else bytes(32)
        matches = hmac.compare_digest(self._secret.hash(whole), stored)
        now = time.time()
        if record is None or not matches or not record.is_live(now):
            raise ApiKeyInvalid("the API key is not valid; ask an administrator for a new one")
        await self._note_use(record, now)
        return record

    async def list(self, *, page_size: int, page_token: str) -> tuple[Sequence[ApiKey], str]:
        """A page of keys, newest first, and the token of the next page.

        Raises:
            PageTokenInvalid: the token is not one of this list.
            Unavailable: Redis does not answer.
        """
        start = b"(" + _decode_page_token(page_token) if page_token else b"+"
        with reaching_store():
            members = await self._store.zrevrangebylex(
                _INDEX, start, b"-", start=0, num=page_size + 1
            )
        page = members[:page_size]
        records = await self._read([member.decode().partition(":")[2] for member in page])
        more = len(members) > page_size
        return records, base64.urlsafe_b64encode(page[-1]).decode() if more else ""

    async def revoke(self, key_id: str) -> ApiKey:
        """Ends a key. Revoking it again changes nothing.

        Raises:
            ApiKeyUnknown: there is no such key.
            Unavailable: Redis does not answer.
        """
        record = await self._find(key_id)
        if record is None:
            raise ApiKeyUnknown(f"no API key has the id {key_id}", metadata={"id": key_id})
        if not record.revoke_time:
            record = replace(record, revoke_time=time.time())
            with reaching_store():
                await self._store.set(_record_key(key_id), _serialize(record))
        return record

    def _granted(self, roles: Iterable[str], scopes: Sequence[str]) -> tuple[str, ...]:
        allowed: set[str] = set()
        for index, name in enumerate(roles):
            role = self._roles.get(name)
            if role is None:
                known = ", ".join(sorted(self._roles))
                raise RoleUnknown(
                    f"there is no role {name!r}; there are {known}",
                    field_violations=[FieldViolation(f"roles[{index}]", f"use one of {known}")],
                )
            allowed.update(role.scopes)
        for index, scope in enumerate(scopes):
            if scope not in allowed:
                raise ScopeNotInRoles(
                    f"the roles do not give the scope {scope!r}",
                    field_violations=[FieldViolation(f"scopes[{index}]", "is not in the roles")],
                )
        return tuple(sorted(set(scopes) or allowed))

    async def _find(self, key_id: str) -> ApiKey | None:
        found = await self._read([key_id])
        return found[0] if found else None

    async def _read(self, ids: Sequence[str]) -> Sequence[ApiKey]:
        if not ids:
            return []
        with reaching_store():
            stored = await self._store.mget([_record_key(key_id) for key_id in ids])
            uses = await self._store.mget([_last_use_key(key_id) for key_id in ids])
        return [
            self._parse(content, last_use_time=float(use or 0))
            for content, use in zip(stored, uses, strict=True)
            if content is not None
        ]

    def _parse(self, content: bytes, *, last_use_time: float) -> ApiKey:
        kept: dict[str, Any] = orjson.loads(content)
        roles, limit = tuple(kept.pop("roles")), tuple(kept.pop("limit"))
        given = {
            scope for name in roles if name in self._roles for scope in self._roles[name].scopes
        }
        scopes = tuple(sorted(given & set(limit) if limit else given))
        return ApiKey(**kept, roles=roles, limit=limit, scopes=scopes, last_use_time=last_use_time)

    async def _note_use(self, record: ApiKey, now: float) -> None:
        if now - record.last_use_time >= _LAST_USE_STEP_SECONDS:
            with reaching_store():
                await self._store.set(_last_use_key(record.id), f"{now:.0f}")


def new_key() -> str:
    """A whole key that nobody has, `tmk_<id>_<secret>`."""
    key_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"


def _record_key(key_id: str) -> str:
    return f"identity:api_key:{key_id}"


def _last_use_key(key_id: str) -> str:
    return f"identity:api_key_use:{key_id}"


def _serialize(record: ApiKey) -> bytes:
    kept = asdict(record)
    del kept["scopes"], kept["last_use_time"]
    return orjson.dumps(kept)


def _decode_page_token(page_token: str) -> bytes:
    try:
        member = base64.b64decode(page_token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        member = b""
    if not re.fullmatch(rb"[0-9]{20}:[a-z2-7]{16}", member):
        raise PageTokenInvalid(
            "page_token is not one that this list gave",
            field_violations=[FieldViolation("page_token", "use the last next_page_token")],
        )
    return member
