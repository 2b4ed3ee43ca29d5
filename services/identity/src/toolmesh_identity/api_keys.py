"""API keys: made, checked, listed, rotated and revoked."""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from toolmesh_identity.errors import (
    ApiKeyEnded,
    ApiKeyInvalid,
    ApiKeyUnknown,
    ScopeNotInRoles,
    TimeInvalid,
    UserIdUsed,
)
from toolmesh_identity.holders import Holders, Rights
from toolmesh_identity.key_records import (
    INDEX,
    ApiKey,
    last_use_key,
    parse_key,
    record_key,
    serialize_key,
    session_of,
    subject_index,
    told,
)
from toolmesh_identity.revocation_log import queue_revocation
from toolmesh_identity.roles import Role, RoleBook, check_grant, check_roles, scopes_of
from toolmesh_identity.secret import Secret
from toolmesh_identity.user_records import FORMER, USER_PREFIX, User, parse_user
from toolmesh_serving.errors import FieldViolation
from toolmesh_serving.page_tokens import read_page_token, write_page_token
from toolmesh_serving.redis_store import Store, change, note, reaching_store

KEY_PREFIX: Final = "tmk_"
_KEY_FORM: Final = re.compile(r"tmk_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
_LAST_USE_STEP_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to make. `scopes` empty: all that the roles give; `expire_time` None: never ends."""

    display_name: str
    subject: str
    roles: Sequence[str]
    scopes: Sequence[str] = ()
    expire_time: float | None = None
    calls_per_minute: int = 0


class ApiKeys:
    """The API keys of the mesh."""

    def __init__(self, store: Store, secret: Secret, roles: RoleBook) -> None:
        self._store = store
        self._secret = secret
        self._roles = roles
        self._holders = Holders(store, roles)

    async def create(
        self, new: NewApiKey, *, granter: frozenset[str] | None = None
    ) -> tuple[ApiKey, str]:
        """Makes a key; returns its record and the whole key, which is not kept.

        Args:
            granter: the scopes of who makes it; None: the service itself.

        Raises:
            RoleUnknown, ScopeNotInRoles, GrantTooWide, TimeInvalid, UserIdUsed: `new` asks for what
                cannot be.
            Unavailable: Redis does not answer.
        """
        if new.expire_time is not None and new.expire_time <= time.time():
            raise TimeInvalid(
                "expire_time lies in the past",
                field_violations=[FieldViolation("expire_time", "must lie in the future")],
            )
        whole = new_key()
        return await self.adopt(whole, new, granter=granter), whole

    async def adopt(
        self, whole: str, new: NewApiKey, *, granter: frozenset[str] | None = None
    ) -> ApiKey:
        """Keeps a key that was made before. One that is kept already stays as it is.

        Raises:
            ApiKeyInvalid: `whole` is not of a key's form.
            RoleUnknown, ScopeNotInRoles, GrantTooWide, UserIdUsed: `new` asks for what cannot be.
            Unavailable: Redis does not answer.
        """
        form = _KEY_FORM.fullmatch(whole)
        if form is None:
            raise ApiKeyInvalid("this is not an API key of Toolmesh")
        key_id, owner_key = form[1], USER_PREFIX + new.subject
        roles = await self._roles.current()

        async def work(pipe: Any) -> ApiKey:
            content = await pipe.get(owner_key)
            user = None if content is None else parse_user(content)
            if user is None and await pipe.sismember(FORMER, new.subject):
                raise UserIdUsed.of(new.subject)
            record = self._new_record(key_id, whole, new, user=user, roles=roles)
            if granter is not None:
                check_grant(record.scopes, granter)
            kept_already = await pipe.exists(record_key(key_id))
            pipe.multi()
            if not kept_already:
                member = f"{int(record.create_time * 1e6):020d}:{key_id}"
                pipe.set(record_key(key_id), serialize_key(record))
                pipe.zadd(INDEX, {member: 0}).zadd(subject_index(record.subject), {member: 0})
                note(pipe, "identity.api_key.create", key_id, after=told(record))
            return record

        return await change(self._store, work, record_key(key_id), owner_key)

    async def check(self, whole: str) -> tuple[ApiKey, Rights]:
        """The record of a key that may be used now, and what its tokens hang on.

        Raises:
            ApiKeyInvalid: it may not; why is not told.
            Unavailable: Redis does not answer.
        """
        form = _KEY_FORM.fullmatch(whole)
        key_id = form[1] if form else ""
        holder = await self._holders.read(record_key(key_id), extra_key=last_use_key(key_id))
        record = None
        if holder.record is not None:
            record = parse_key(
                holder.record, roles=holder.roles, user=holder.user, last_use=holder.extra
            )
        now = time.time()
        hashed = self._secret.hash(whole)
        stored = bytes.fromhex(record.hash) if record else bytes(32)
        takes_old = record is not None and record.old_hash and record.old_end > now
        old = bytes.fromhex(record.old_hash) if record and takes_old else bytes(32)
        matches = hmac.compare_digest(hashed, stored) | hmac.compare_digest(hashed, old)
        if not record or not matches or not record.is_live(now) or not record.belongs(holder.user):
            raise ApiKeyInvalid("the API key is not valid; ask an administrator for a new one")
        await self._note_use(record, now)
        return record, holder.rights(session_of(key_id), end=record.expire_time)

    async def list(
        self, *, page_size: int, page_token: str, subject: str = ""
    ) -> tuple[Sequence[ApiKey], str]:
        """A page of keys, newest first, and the token of the next page.

        Args:
            subject: whose keys; empty: all.

        Raises:
            PageTokenInvalid: the token is not one of this list.
            Unavailable: Redis does not answer.
        """
        index = subject_index(subject) if subject else INDEX
        start = b"+"
        if page_token:
            start = b"(" + read_page_token(page_token, bytes, of=index.encode())
        with reaching_store():
            members = await self._store.zrevrangebylex(
                index, start, b"-", start=0, num=page_size + 1
            )
        page = members[:page_size]
        records = await self._read([member.decode().partition(":")[2] for member in page])
        more = len(members) > page_size
        return records, write_page_token(page[-1], of=index.encode()) if more else ""

    async def revoke(self, key_id: str, *, subject: str = "") -> ApiKey:
        """Ends a key and its tokens. Revoking it again changes nothing.

        Args:
            subject: whose key it has to be; empty: anyone's.

        Raises:
            ApiKeyUnknown: there is no such key.
            Unavailable: Redis does not answer.
        """

        async def work(pipe: Any) -> ApiKey:
            before = await self._find(key_id, subject=subject)
            pipe.multi()
            if before.revoke_time:
                return before
            after = replace(before, revoke_time=time.time())
            pipe.set(record_key(key_id), serialize_key(after))
            queue_revocation(pipe, "session", session_of(key_id))
            note(pipe, "identity.api_key.revoke", key_id, before=told(before), after=told(after))
            return after

        return await change(self._store, work, record_key(key_id))

    async def rotate(
        self,
        key_id: str,
        *,
        overlap_seconds: float,
        subject: str = "",
        granter: frozenset[str] | None = None,
    ) -> tuple[ApiKey, str]:
        """Gives a key a new secret; returns its record and the whole key, which is not kept.

        Args:
            overlap_seconds: how long the old secret is taken. 0: no longer, and its tokens end.
            subject: whose key it has to be, the caller's own; empty: anyone's.
            granter: the scopes of who rotates it; None: the service itself.

        Raises:
            ApiKeyUnknown, ApiKeyEnded: there is no such key, or no longer.
            GrantTooWide: the key, which is handed over, gives more than `granter`.
            Unavailable: Redis does not answer.
        """
        whole = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        roles = await self._roles.current()

        async def work(pipe: Any) -> ApiKey:
            before = await self._find(key_id, subject=subject)
            now = time.time()
            if not before.is_live(now):
                raise ApiKeyEnded(f"the API key {key_id} has ended", metadata={"id": key_id})
            if granter is not None:
                # Somebody else's key may give less today than when its owner is back.
                check_grant(before.scopes if subject else before.reach(roles), granter)
            after = replace(
                before,
                hash=self._secret.hash(whole).hex(),
                old_hash=before.hash if overlap_seconds else "",
                old_end=now + overlap_seconds if overlap_seconds else 0,
            )
            pipe.multi()
            pipe.set(record_key(key_id), serialize_key(after))
            if not overlap_seconds:
                queue_revocation(pipe, "session", session_of(key_id))
            note(pipe, "identity.api_key.rotate", key_id, before=told(before), after=told(after))
            return after

        return await change(self._store, work, record_key(key_id)), whole

    def _new_record(
        self,
        key_id: str,
        whole: str,
        new: NewApiKey,
        *,
        user: User | None,
        roles: Mapping[str, Role],
    ) -> ApiKey:
        return ApiKey(
            id=key_id,
            hash=self._secret.hash(whole).hex(),
            display_name=new.display_name,
            subject=new.subject,
            roles=tuple(sorted(set(new.roles))),
            limit=tuple(sorted(set(new.scopes))),
            scopes=_granted(new, user=user, roles=roles),
            create_time=time.time(),
            expire_time=new.expire_time or 0,
            owner=user.uid if user else "",
            calls_per_minute=new.calls_per_minute,
        )

    async def _find(self, key_id: str, *, subject: str) -> ApiKey:
        found = await self._read([key_id])
        # Who may not change a key is not told that it is there.
        if not found or (subject and found[0].subject != subject):
            raise ApiKeyUnknown(f"no API key has the id {key_id}", metadata={"id": key_id})
        return found[0]

    async def _read(self, ids: Sequence[str]) -> Sequence[ApiKey]:
        if not ids:
            return []
        roles = await self._roles.current()
        with reaching_store():
            stored = await self._store.mget([record_key(key_id) for key_id in ids])
            uses = await self._store.mget([last_use_key(key_id) for key_id in ids])
            kept = [None if content is None else orjson.loads(content) for content in stored]
            owners = sorted({record["subject"] for record in kept if record is not None})
            contents = await self._store.mget([USER_PREFIX + owner for owner in owners] or [""])
        users = {
            owner: parse_user(content)
            for owner, content in zip(owners, contents, strict=False)
            if content is not None
        }
        return [
            parse_key(record, roles=roles, user=users.get(record["subject"]), last_use=use)
            for record, use in zip(kept, uses, strict=True)
            if record is not None
        ]

    async def _note_use(self, record: ApiKey, now: float) -> None:
        if now - record.last_use_time >= _LAST_USE_STEP_SECONDS:
            with reaching_store():
                await self._store.set(last_use_key(record.id), f"{now:.0f}")


def new_key() -> str:
    """A whole key that nobody has, `tmk_<id>_<secret>`."""
    key_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"


def _granted(new: NewApiKey, *, user: User | None, roles: Mapping[str, Role]) -> tuple[str, ...]:
    check_roles(new.roles, roles)
    allowed = scopes_of(new.roles, roles)
    for index, scope in enumerate(new.scopes):
        if scope not in allowed:
            raise ScopeNotInRoles(
                f"the roles do not give the scope {scope!r}",
                field_violations=[FieldViolation(f"scopes[{index}]", "is not in the roles")],
            )
    granted = frozenset(new.scopes) or allowed
    if user is not None and not granted <= user.scopes(roles):
        wider = min(granted - user.scopes(roles))
        raise ScopeNotInRoles(
            f"{user.id} does not hold the scope {wider}, so its keys cannot",
            field_violations=[FieldViolation("roles", f"give {wider}, which the user lacks")],
        )
    return tuple(sorted(granted))
