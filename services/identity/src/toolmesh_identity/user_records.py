"""Users as they are kept."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from toolmesh_identity.roles import Role, scopes_of

USER_PREFIX: Final = "identity:user:"
FORMER: Final = "identity:former_users"  # set of the ids of removed users
PASSWORD_PREFIX: Final = "identity:password:"  # noqa: S105 - a key's name


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """An account at an OpenID Connect issuer: its claims `iss` and `sub`. Both empty: none."""

    issuer: str = ""
    subject: str = ""


NO_IDENTITY: Final = ExternalIdentity()


@dataclass(frozen=True, slots=True)
class User:
    """What is known of a user. Times are seconds since the epoch; 0 is never.

    Attributes:
        uid: random, and never given to another: a user that is made anew is not the old one.
        sessions_from: sessions that began before have ended.
    """

    id: str
    uid: str
    display_name: str
    roles: tuple[str, ...]
    create_time: float
    update_time: float
    suspend_time: float = 0
    sessions_from: float = 0
    has_password: bool = False
    external: ExternalIdentity = NO_IDENTITY

    def scopes(self, roles: Mapping[str, Role]) -> frozenset[str]:
        """What the user may do; nothing while suspended."""
        return frozenset() if self.suspend_time else scopes_of(self.roles, roles)


def new_uid() -> str:
    """An id that no user has or ever had."""
    return secrets.token_urlsafe(12)


def external_key(external: ExternalIdentity) -> str:
    """Where it lies whose an external identity is. Its parts may hold any character."""
    digest = hashlib.sha256(orjson.dumps([external.issuer, external.subject])).hexdigest()
    return f"identity:external:{digest}"


def parse_user(content: bytes) -> User:
    """Reads what `serialize_user` wrote."""
    kept: dict[str, Any] = orjson.loads(content)
    kept["roles"] = tuple(kept["roles"])
    kept["external"] = ExternalIdentity(**kept.get("external", {}))
    return User(**kept)


def serialize_user(user: User) -> bytes:
    """The record of a user."""
    return orjson.dumps(asdict(user))
