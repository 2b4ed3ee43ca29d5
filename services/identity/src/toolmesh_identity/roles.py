"""Roles: named sets of scopes with a rate, built in or defined by an administrator."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import orjson

from toolmesh_contracts.call_rates import DEFAULT_CALLS_PER_MINUTE
from toolmesh_identity.errors import (
    GrantTooWide,
    RoleBuiltIn,
    RoleExists,
    RoleNotFound,
    RoleUnknown,
    ScopeUnknown,
    TooMany,
)
from toolmesh_identity.revocation_log import queue_revocation
from toolmesh_serving.errors import FieldViolation
from toolmesh_serving.redis_store import Store, change, note, reaching_store

_DEFINED: Final = "identity:roles"  # hash: name -> the role, but for the built-in ones
VERSION: Final = "identity:roles_version"  # grows with each change of the hash
_MAX_DEFINED: Final = 500


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of scopes.

    Attributes:
        calls_per_minute: how many calls its holder may make. 0: what roles have by default.
    """

    name: str
    description: str
    scopes: tuple[str, ...]
    calls_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class RoleRates:
    """How many calls a minute roles give that say nothing of it themselves.

    Attributes:
        builtin: of built-in roles, by name.
        default: of all others.
    """

    builtin: Mapping[str, int] = field(default_factory=dict[str, int])
    default: int = DEFAULT_CALLS_PER_MINUTE

    def of(self, role: Role) -> int:
        """How many calls a minute the role gives."""
        return role.calls_per_minute or self.builtin.get(role.name, self.default)


# Which verbs of a scope (`<service>:<verb>`) a role has. A new tool's scope joins the roles by its
# verb, so nothing here changes when a service is added.
_VERBS = {
    "admin": ("Everything.", {"read", "write", "use", "audit", "admin"}),
    "auditor": ("Reads who did what; changes nothing.", {"audit"}),
    "developer": ("Uses every tool, reads and writes workspaces.", {"read", "write", "use"}),
    "viewer": ("Reads; changes and runs nothing.", {"read"}),
}


def builtin_roles(scopes: Iterable[str]) -> dict[str, Role]:
    """The built-in roles by name, for a mesh whose methods ask for `scopes`."""
    known = sorted(scopes)
    return {
        name: Role(
            name=name,
            description=description,
            scopes=tuple(scope for scope in known if scope.rpartition(":")[2] in verbs),
        )
        for name, (description, verbs) in _VERBS.items()
    }


def scopes_of(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """All scopes of the named roles; a role that is gone gives none."""
    return frozenset(scope for name in names if name in roles for scope in roles[name].scopes)


def calls_per_minute_of(names: Iterable[str], roles: Mapping[str, Role]) -> int:
    """The highest rate of the named roles; a role that is gone gives none."""
    rates = [roles[name].calls_per_minute for name in names if name in roles]
    return max(rates, default=DEFAULT_CALLS_PER_MINUTE)


def check_roles(names: Iterable[str], roles: Mapping[str, Role]) -> None:
    """Checks that there are such roles.

    Raises:
        RoleUnknown: there is one of them not.
    """
    known = ", ".join(sorted(roles))
    for index, name in enumerate(names):
        if name not in roles:
            raise RoleUnknown(
                f"there is no role {name!r}; there are {known}",
                field_violations=[FieldViolation(f"roles[{index}]", f"use one of {known}")],
            )


def check_grant(scopes: Iterable[str], granter: frozenset[str]) -> None:
    """Checks that who gives scopes away holds them.

    Raises:
        GrantTooWide: it does not.
    """
    missing = sorted(set(scopes) - granter)
    if missing:
        raise GrantTooWide(
            f"this gives the scope {missing[0]}, which the caller does not hold",
            metadata={"scope": missing[0]},
        )


class RoleBook:
    """The roles of the mesh. Those in memory are replaced when the store has newer ones."""

    def __init__(self, store: Store, scopes: Iterable[str], rates: RoleRates | None = None) -> None:
        self._store = store
        self._scopes = frozenset(scopes)
        self._rates = rates or RoleRates()
        self._builtin = {
            name: self._rated(role) for name, role in builtin_roles(self._scopes).items()
        }
        self._roles: Mapping[str, Role] = self._builtin
        self._version: bytes | None = None

    async def current(self) -> Mapping[str, Role]:
        """The roles by name, as they are now.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            version = await self._store.get(VERSION)
        return await self.at(version)

    async def at(self, version: bytes | None) -> Mapping[str, Role]:
        """The roles by name, at least as new as the store's `version` of them.

        Raises:
            Unavailable: Redis does not answer.
        """
        if version != self._version:
            async with self._store.pipeline(transaction=True) as pipe:
                pipe.get(VERSION).hgetall(_DEFINED)
                with reaching_store():
                    read, defined = await pipe.execute()
            roles = {
                name.decode(): self._rated(_parse(content)) for name, content in defined.items()
            }
            self._roles = dict(sorted((roles | self._builtin).items()))
            self._version = read
        return self._roles

    async def create(self, role: Role, *, granter: frozenset[str]) -> Role:
        """Defines a role, for someone who holds the scopes `granter`.

        Raises:
            RoleExists, ScopeUnknown, GrantTooWide, TooMany: it cannot be.
            Unavailable: Redis does not answer.
        """
        role = self._checked(role, granter=granter)
        if role.name in self._builtin:
            raise RoleExists(f"there is a role {role.name}", metadata={"name": role.name})

        async def work(pipe: Any) -> Role:
            if await pipe.hexists(_DEFINED, role.name):
                raise RoleExists(f"there is a role {role.name}", metadata={"name": role.name})
            if await pipe.hlen(_DEFINED) >= _MAX_DEFINED:
                raise TooMany(f"there are {_MAX_DEFINED} roles; remove one first")
            pipe.multi()
            pipe.hset(_DEFINED, role.name, _serialize(role)).incr(VERSION)
            note(pipe, "identity.role.create", role.name, after=_told(role))
            return self._rated(role)

        return await change(self._store, work, _DEFINED)

    async def update(
        self,
        name: str,
        *,
        description: str | None,
        scopes: Sequence[str],
        granter: frozenset[str],
        calls_per_minute: int | None = None,
    ) -> Role:
        """Changes a role; tokens with a scope that it lost are revoked.

        A new rate holds for new tokens: those that were given out go by the old one.

        Args:
            description: None: as before.
            scopes: empty: as before.
            calls_per_minute: None: as before.

        Raises:
            RoleNotFound, RoleBuiltIn, ScopeUnknown, GrantTooWide: it cannot be.
            Unavailable: Redis does not answer.
        """
        self._check_defined(name)

        async def work(pipe: Any) -> Role:
            before = await _read(pipe, name)
            # Neither give what one does not hold, nor take it from those who do.
            check_grant(before.scopes, granter)
            text = before.description if description is None else description
            rate = before.calls_per_minute if calls_per_minute is None else calls_per_minute
            after = self._checked(
                Role(name, text, tuple(scopes) or before.scopes, rate), granter=granter
            )
            pipe.multi()
            pipe.hset(_DEFINED, name, _serialize(after)).incr(VERSION)
            if set(before.scopes) - set(after.scopes):
                queue_revocation(pipe, "role", name)
            note(pipe, "identity.role.update", name, before=_told(before), after=_told(after))
            return self._rated(after)

        return await change(self._store, work, _DEFINED)

    async def delete(self, name: str, *, granter: frozenset[str]) -> None:
        """Removes a role; tokens that have it are revoked.

        Raises:
            RoleNotFound, RoleBuiltIn, GrantTooWide: it cannot be.
            Unavailable: Redis does not answer.
        """
        self._check_defined(name)

        async def work(pipe: Any) -> None:
            before = await _read(pipe, name)
            check_grant(before.scopes, granter)
            pipe.multi()
            pipe.hdel(_DEFINED, name).incr(VERSION)
            queue_revocation(pipe, "role", name)
            note(pipe, "identity.role.delete", name, before=_told(before))

        await change(self._store, work, _DEFINED)

    def _checked(self, role: Role, *, granter: frozenset[str]) -> Role:
        for index, scope in enumerate(role.scopes):
            if scope not in self._scopes:
                raise ScopeUnknown(
                    f"no method asks for the scope {scope!r}",
                    field_violations=[FieldViolation(f"scopes[{index}]", "is unknown")],
                )
        check_grant(role.scopes, granter)
        return replace(role, scopes=tuple(sorted(set(role.scopes))))

    def _rated(self, role: Role) -> Role:
        return replace(role, calls_per_minute=self._rates.of(role))

    def _check_defined(self, name: str) -> None:
        if name in self._builtin:
            raise RoleBuiltIn(f"the role {name} is built in", metadata={"name": name})


async def _read(pipe: Any, name: str) -> Role:
    content = await pipe.hget(_DEFINED, name)
    if content is None:
        raise RoleNotFound(f"there is no role {name}", metadata={"name": name})
    return _parse(content)


def _parse(content: bytes) -> Role:
    kept: dict[str, Any] = orjson.loads(content)
    kept["scopes"] = tuple(kept["scopes"])
    return Role(**kept)


def _serialize(role: Role) -> bytes:
    return orjson.dumps(_told(role))


def _told(role: Role) -> dict[str, Any]:
    return asdict(role)
