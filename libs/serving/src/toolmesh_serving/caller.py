"""Who is calling, as the access token says."""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """The verified content of an access token.

    Attributes:
        token: the token itself, to be forwarded to other services; never shown or logged.
        expires_at: when it ends, in seconds since the epoch.
    """

    subject: str
    roles: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    token: str = field(repr=False)


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
