"""Who is calling, as the access token says."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """The verified content of an access token.

    Attributes:
        token: the token itself, to be forwarded to other services; never shown or logged.
        expires_at: when it ends, in seconds since the epoch.
        session: what the token hangs on, such as `key:<id>` or `session:<id>`.
        user: the random id of the user that it belongs to; empty: to none that identity knows.
        actor: who acts for the subject; empty: the subject itself.
        workspaces: the ids of the workspaces that the token is good for; None: all that the subject
            may see.
        claims: everything that the token says.
    """

    subject: str
    roles: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    token: str = field(repr=False)
    session: str = ""
    user: str = ""
    actor: str = ""
    workspaces: frozenset[str] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


_current: ContextVar[Caller] = ContextVar("toolmesh_caller")


def current_caller() -> Caller:
    """The caller of the RPC being served.

    Raises:
        LookupError: not inside an RPC, or inside a public one.
    """
    return _current.get()


def enter_caller(caller: Caller) -> None:
    """Makes `caller` the current one for the rest of this task."""
    _current.set(caller)
