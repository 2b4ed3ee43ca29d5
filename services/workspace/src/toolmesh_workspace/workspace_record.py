"""A workspace's record, as it lies in Redis and as the service sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.errors import AccessTooLow, WorkspaceUnknown

# Members stand in the record itself, so one read tells all that an answer depends on.
_MEMBER: Final = "member:"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace's record. Times are microseconds since the epoch."""

    id: str
    display_name: str
    owner: str
    snapshot: str
    file_count: int
    size_bytes: int
    create_time: int
    update_time: int
    members: Mapping[str, Access] = field(default_factory=dict)
    """Whom it is shared with: subject -> READER or WRITER; never the owner."""

    @property
    def subjects(self) -> Iterable[str]:
        """All who have it in their list."""
        return (self.owner, *self.members)

    def access_of(self, by: Requester) -> Access:
        """What a requester may do with it."""
        if by.workspaces is not None and self.id not in by.workspaces:
            return Access.NONE
        return Access.OWNER if by.subject == self.owner else self.access_of_member(by.subject)

    def access_of_member(self, subject: str) -> Access:
        """What is shared with a subject."""
        return self.members.get(subject, Access.NONE)

    def check(self, by: Requester, needs: Access) -> None:
        """Raise WorkspaceUnknown for one who may not see it, and AccessTooLow for too little."""
        access = self.access_of(by)
        if access is Access.NONE:
            raise WorkspaceUnknown.of(self.id)
        if access < needs:
            has, wants = access.name.lower(), needs.name.lower()
            raise AccessTooLow(
                f"this needs {wants} access to the workspace {self.id!r}, and yours is {has}; "
                f"its owner is {self.owner}",
                metadata={"workspace": self.id, "access": has, "needed": wants},
            )


async def read_record(reader: Any, workspace: str) -> Workspace | None:
    """Read a record, through a connection or within a transaction that watches its key."""
    fields: dict[str, str] = await reader.hgetall(record_key(workspace))
    return workspace_of(fields) if fields else None


def workspace_of(fields: Mapping[str, str]) -> Workspace:
    """Return the workspace whose hash has these fields."""
    return Workspace(
        id=fields["id"],
        display_name=fields["display_name"],
        owner=fields["owner"],
        snapshot=fields["snapshot"],
        file_count=int(fields["file_count"]),
        size_bytes=int(fields["size_bytes"]),
        create_time=int(fields["create_time"]),
        update_time=int(fields["update_time"]),
        members={
            name.removeprefix(_MEMBER): Access[value]
            for name, value in fields.items()
            if name.startswith(_MEMBER)
        },
    )


def record_key(workspace: str) -> str:
    """Where the record is."""
    return f"workspace:record:{workspace}"


def member_field(subject: str) -> str:
    """The field of the record that has a member's access."""
    return _MEMBER + subject


def list_key(subject: str) -> str:
    """Where the ids of a subject's workspaces are, own and shared, by when they were updated."""
    return f"workspace:of:{subject}"
