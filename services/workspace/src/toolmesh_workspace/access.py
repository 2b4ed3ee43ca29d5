"""Who may do what with a workspace."""

import enum
from dataclasses import dataclass
from typing import Final

from toolmesh_serving.caller import Caller
from toolmesh_workspace.errors import DelegatedToken, NotAdmin

_ADMIN: Final = "workspace:admin"


class Access(enum.IntEnum):
    """What a subject may do with a workspace; each level includes those before it."""

    NONE = 0
    READER = 1
    WRITER = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, and within which bounds.

    Attributes:
        workspaces: the only ones that it may see and touch; None: there is no such bound.
        is_delegated: its token was made for an agent that acts for the subject.
        is_admin: it holds the scope `workspace:admin`.
    """

    subject: str
    workspaces: frozenset[str] | None = None
    is_delegated: bool = False
    is_admin: bool = False

    @classmethod
    def of(cls, caller: Caller) -> "Requester":
        """The requester that an access token speaks for."""
        return cls(
            subject=caller.subject,
            workspaces=caller.workspaces,
            is_delegated=bool(caller.actor) or caller.workspaces is not None,
            is_admin=_ADMIN in caller.scopes,
        )

    def check_may_create(self) -> None:
        """Raise DelegatedToken when what it made would be outside of its bounds."""
        if self.workspaces is not None:
            raise DelegatedToken(
                "this token is delegated for certain workspaces and cannot make others; make the "
                "workspace with a token of your own"
            )

    def check_may_govern(self) -> None:
        """Raise DelegatedToken when a change of access would outlive the delegation."""
        if self.is_delegated:
            raise DelegatedToken(
                "a delegated token cannot change who may use a workspace; use a token of your own"
            )

    def listing(self, subject: str) -> "Requester":
        """Return whose workspaces are listed: its own, or those of `subject`; or NotAdmin."""
        if subject in ("", self.subject):
            return self
        if not self.is_admin or self.is_delegated:
            raise NotAdmin(
                f"listing the workspaces of {subject} needs the scope {_ADMIN} and a token that is "
                "not delegated",
                metadata={"scope": _ADMIN},
            )
        return Requester(subject)
