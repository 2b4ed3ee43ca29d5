"""Users: made, listed, changed, suspended, removed."""

import enum
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from toolmesh_identity.errors import (
    ExternalIdentityTaken,
    LastAdmin,
    UserExists,
    UserIdUsed,
    UserUnknown,
)
from toolmesh_identity.key_records import queue_revoking_keys, subject_index
from toolmesh_identity.revocation_log import queue_revocation
from toolmesh_identity.roles import RoleBook, check_grant, check_roles, scopes_of
from toolmesh_identity.user_records import (
    FORMER,
    NO_IDENTITY,
    PASSWORD_PREFIX,
    USER_PREFIX,
    ExternalIdentity,
    User,
    external_key,
    new_uid,
    parse_user,
    serialize_user,
)
from toolmesh_serving.errors import ToolmeshError
from toolmesh_serving.page_tokens import read_page_token, write_page_token
from toolmesh_serving.redis_store import Store, change, note, reaching_store

_INDEX: Final = "identity:users"  # sorted set of ids, all of score 0
# Those with the built-in role `admin` who are not suspended. Once there is one, there always is.
_ADMINS: Final = "identity:admins"
_ADMIN_ROLE: Final = "admin"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to make. `external` None: no external identity, or that of before."""

    id: str
    display_name: str
    roles: Sequence[str]
    external: ExternalIdentity | None = None


class Provisioned(enum.Enum):
    """What was done for a user of a list."""

    CREATED = 1
    UPDATED = 2
    UNCHANGED = 3
    FAILED = 4


class Users:
    """The users of the mesh. Every operation costs the same, however many there are."""

    def __init__(self, store: Store, roles: RoleBook) -> None:
        self._store = store
        self._roles = roles

    async def create(
        self, new: NewUser, *, granter: frozenset[str] | None, password_hash: str = ""
    ) -> User:
        """Makes a user.

        Args:
            granter: the scopes of who makes it; None: the service itself.
            password_hash: to sign in with; empty: none.

        Raises:
            UserExists, UserIdUsed, ExternalIdentityTaken, RoleUnknown, GrantTooWide: it cannot be.
            Unavailable: Redis does not answer.
        """
        await self._check_roles(new.roles, granter)
        now = time.time()
        user = User(
            id=new.id,
            uid=new_uid(),
            display_name=new.display_name,
            roles=tuple(sorted(set(new.roles))),
            create_time=now,
            update_time=now,
            has_password=bool(password_hash),
            external=new.external or NO_IDENTITY,
        )

        async def work(pipe: Any) -> User:
            if await pipe.exists(_record_key(new.id)):
                raise UserExists(f"there is a user {new.id}", metadata={"id": new.id})
            if await pipe.sismember(FORMER, new.id):
                raise UserIdUsed.of(new.id)
            # Who signs in elsewhere may choose its name there, but not that of a program here.
            by_issuer = granter is None and new.external is not None
            if by_issuer and await pipe.exists(subject_index(new.id)):
                raise UserExists(f"{new.id} is the name of a program", metadata={"id": new.id})
            await _keep_identities_apart(pipe, user)
            pipe.multi()
            pipe.zadd(_INDEX, {new.id: 0})
            if password_hash:
                pipe.set(PASSWORD_PREFIX + new.id, password_hash)
            _queue(pipe, user)
            note(pipe, "identity.user.create", user.id, after=_told(user))
            return user

        return await change(self._store, work, _record_key(new.id), *_watched(user.external))

    async def find(self, external: ExternalIdentity) -> User | None:
        """The user that an external identity belongs to.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            user_id = await self._store.get(external_key(external))
            content = await self._store.get(_record_key(user_id.decode())) if user_id else None
        return None if content is None else parse_user(content)

    async def get(self, user_id: str) -> User:
        """A user.

        Raises:
            UserUnknown: there is none of that id.
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            return _found(await self._store.get(_record_key(user_id)), user_id)

    async def list(self, *, page_size: int, page_token: str) -> tuple[Sequence[User], str]:
        """A page of users by id, and the token of the next page.

        Raises:
            PageTokenInvalid: the token is not one of this list.
            Unavailable: Redis does not answer.
        """
        start = b"-"
        if page_token:
            start = b"(" + read_page_token(page_token, bytes, of=_INDEX.encode())
        with reaching_store():
            ids = await self._store.zrangebylex(_INDEX, start, b"+", start=0, num=page_size + 1)
            page = ids[:page_size]
            keys = [_record_key(user_id.decode()) for user_id in page]
            records = await self._store.mget(keys) if keys else []
        users = [parse_user(record) for record in records if record is not None]
        more = len(ids) > page_size
        return users, write_page_token(page[-1], of=_INDEX.encode()) if more else ""

    async def update(
        self,
        user_id: str,
        *,
        granter: frozenset[str] | None,
        display_name: str | None = None,
        roles: Sequence[str] | None = None,
        external: ExternalIdentity | None = None,
    ) -> User:
        """Changes a user; what is None stays. Tokens of a user that loses a scope are revoked.

        Args:
            granter: the scopes of who changes it; None: the service itself.
            external: another external identity, or none; sessions that one began end.

        Raises:
            UserUnknown, RoleUnknown, GrantTooWide, LastAdmin, ExternalIdentityTaken: it cannot be.
            Unavailable: Redis does not answer.
        """
        known = await self._roles.current()
        if roles is not None:
            check_roles(roles, known)

        async def work(pipe: Any) -> User:
            before = _found(await pipe.get(_record_key(user_id)), user_id)
            after = replace(
                before,
                display_name=before.display_name if display_name is None else display_name,
                roles=before.roles if roles is None else tuple(sorted(set(roles))),
                external=before.external if external is None else external,
            )
            # Neither give what one does not hold, nor rule over who holds more.
            if granter is not None:
                check_grant(scopes_of(before.roles + after.roles, known), granter)
            lost = scopes_of(before.roles, known) - scopes_of(after.roles, known)
            moved = before.external not in (after.external, NO_IDENTITY)
            if moved:
                after = replace(after, sessions_from=time.time())
            await _keep_identities_apart(pipe, after)
            return await self._replace(
                pipe, before, after, action="update", revoke=bool(lost) or moved
            )

        watched = _watched(external or NO_IDENTITY)
        return await change(self._store, work, _record_key(user_id), _ADMINS, *watched)

    async def suspend(self, user_id: str, *, granter: frozenset[str]) -> User:
        """Suspends a user and revokes its tokens; its sessions have ended for good.

        Raises:
            UserUnknown, GrantTooWide, LastAdmin: it cannot be.
            Unavailable: Redis does not answer.
        """
        known = await self._roles.current()

        async def work(pipe: Any) -> User:
            before = _found(await pipe.get(_record_key(user_id)), user_id)
            check_grant(scopes_of(before.roles, known), granter)
            now = time.time()
            after = replace(before, suspend_time=before.suspend_time or now, sessions_from=now)
            return await self._replace(pipe, before, after, action="suspend", revoke=True)

        return await change(self._store, work, _record_key(user_id), _ADMINS)

    async def reinstate(self, user_id: str, *, granter: frozenset[str]) -> User:
        """Ends a suspension.

        Raises:
            UserUnknown, GrantTooWide: it cannot be.
            Unavailable: Redis does not answer.
        """
        known = await self._roles.current()

        async def work(pipe: Any) -> User:
            before = _found(await pipe.get(_record_key(user_id)), user_id)
            check_grant(scopes_of(before.roles, known), granter)
            after = replace(before, suspend_time=0)
            return await self._replace(pipe, before, after, action="reinstate", revoke=False)

        return await change(self._store, work, _record_key(user_id), _ADMINS)

    async def set_password(
        self, user_id: str, password_hash: str, *, granter: frozenset[str] | None
    ) -> User:
        """Sets what a user signs in with; its sessions end and its tokens are revoked.

        Args:
            password_hash: empty: none.
            granter: the scopes of who sets it, which must not be fewer than the user's, as it could
                then sign in as that user; None: the user itself.

        Raises:
            UserUnknown, GrantTooWide: it cannot be.
            Unavailable: Redis does not answer.
        """
        known = await self._roles.current()

        async def work(pipe: Any) -> User:
            before = _found(await pipe.get(_record_key(user_id)), user_id)
            if granter is not None:
                check_grant(scopes_of(before.roles, known), granter)
            after = replace(before, has_password=bool(password_hash), sessions_from=time.time())
            await self._replace(pipe, before, after, action="set_password", revoke=True)
            if password_hash:
                pipe.set(PASSWORD_PREFIX + user_id, password_hash)
            else:
                pipe.delete(PASSWORD_PREFIX + user_id)
            return after

        return await change(self._store, work, _record_key(user_id), _ADMINS)

    async def delete(self, user_id: str, *, granter: frozenset[str]) -> None:
        """Removes a user with its keys, sessions and tokens. Its id is not given again.

        Raises:
            UserUnknown, GrantTooWide, LastAdmin: it cannot be.
            Unavailable: Redis does not answer.
        """
        known = await self._roles.current()

        async def work(pipe: Any) -> None:
            before = _found(await pipe.get(_record_key(user_id)), user_id)
            check_grant(scopes_of(before.roles, known), granter)
            await _keep_an_admin(pipe, before, None)
            revoke_keys = await queue_revoking_keys(pipe, user_id)
            pipe.multi()
            pipe.delete(_record_key(user_id), PASSWORD_PREFIX + user_id)
            pipe.delete(external_key(before.external))
            pipe.zrem(_INDEX, user_id).srem(_ADMINS, user_id).sadd(FORMER, user_id)
            revoke_keys()
            queue_revocation(pipe, "user", before.uid)
            note(pipe, "identity.user.delete", user_id, before=_told(before))

        await change(self._store, work, _record_key(user_id), _ADMINS)

    async def provision(
        self, new: NewUser, *, granter: frozenset[str]
    ) -> tuple[Provisioned, ToolmeshError | None]:
        """Makes a user or changes it into what it shall be; tells what was done, or why not.

        Raises:
            Unavailable: Redis does not answer.
        """
        wanted = (new.display_name, tuple(sorted(set(new.roles))))
        try:
            try:
                await self.create(new, granter=granter)
            except UserExists:
                user = await self.get(new.id)
                if (user.display_name, user.roles) == wanted and new.external in (
                    None,
                    user.external,
                ):
                    return Provisioned.UNCHANGED, None
                await self.update(
                    new.id,
                    granter=granter,
                    display_name=new.display_name,
                    roles=new.roles,
                    external=new.external,
                )
                return Provisioned.UPDATED, None
        except ToolmeshError as error:
            if error.retry_after_seconds is not None:
                raise
            return Provisioned.FAILED, error
        return Provisioned.CREATED, None

    async def roles_by_name(self) -> Mapping[str, Any]:
        """The roles, to tell users' scopes by.

        Raises:
            Unavailable: Redis does not answer.
        """
        return await self._roles.current()

    async def _check_roles(self, names: Sequence[str], granter: frozenset[str] | None) -> None:
        known = await self._roles.current()
        check_roles(names, known)
        if granter is not None:
            check_grant(scopes_of(names, known), granter)

    async def _replace(
        self, pipe: Any, before: User, after: User, *, action: str, revoke: bool
    ) -> User:
        await _keep_an_admin(pipe, before, after)
        after = replace(after, update_time=time.time())
        pipe.multi()
        if before.external != after.external:
            pipe.delete(external_key(before.external))
        _queue(pipe, after)
        if revoke:
            queue_revocation(pipe, "user", after.uid)
        note(pipe, f"identity.user.{action}", after.id, before=_told(before), after=_told(after))
        return after


def _is_admin(user: User | None) -> bool:
    return user is not None and _ADMIN_ROLE in user.roles and not user.suspend_time


async def _keep_an_admin(pipe: Any, before: User, after: User | None) -> None:
    if _is_admin(before) and not _is_admin(after) and await pipe.scard(_ADMINS) <= 1:
        raise LastAdmin(
            f"{before.id} is the last administrator; give another user the role first",
            metadata={"id": before.id},
        )


async def _keep_identities_apart(pipe: Any, user: User) -> None:
    if user.external != NO_IDENTITY:
        taken_by = await pipe.get(external_key(user.external))
        if taken_by not in (None, user.id.encode()):
            raise ExternalIdentityTaken(
                "the external identity belongs to another user; take it from that one first",
                metadata={"issuer": user.external.issuer},
            )


def _queue(pipe: Any, user: User) -> None:
    pipe.set(_record_key(user.id), serialize_user(user))
    if user.external != NO_IDENTITY:
        pipe.set(external_key(user.external), user.id)
    if _is_admin(user):
        pipe.sadd(_ADMINS, user.id)
    else:
        pipe.srem(_ADMINS, user.id)


def _watched(external: ExternalIdentity) -> Sequence[str]:
    return () if external == NO_IDENTITY else (external_key(external),)


def _record_key(user_id: str) -> str:
    return USER_PREFIX + user_id


def _found(content: bytes | None, user_id: str) -> User:
    if content is None:
        raise UserUnknown(f"there is no user {user_id}", metadata={"id": user_id})
    return parse_user(content)


def _told(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "display_name": user.display_name,
        "roles": list(user.roles),
        "suspended": bool(user.suspend_time),
        "external": asdict(user.external),
    }
