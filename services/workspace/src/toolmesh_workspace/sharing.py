"""Changes who may use a workspace, and notes it for the audit log in the same transaction."""

from dataclasses import replace
from typing import Any, Final

from toolmesh_serving.errors import FieldInvalid
from toolmesh_serving.redis_store import note
from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.errors import TooManyMembers, at_field
from toolmesh_workspace.records import Records
from toolmesh_workspace.workspace_record import (
    Workspace,
    list_key,
    member_field,
    record_key,
)

MAX_MEMBERS: Final = 100


class Sharing:
    """Shares workspaces. Changes at once do not lose each other.

    Every method raises WorkspaceUnknown for a workspace that the requester may not see,
    DelegatedToken, and Unavailable when Redis does not answer.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def share(
        self, workspace: str, subject: str, *, access: Access, by: Requester
    ) -> Workspace:
        """Give a subject READER or WRITER access, and return the workspace.

        It raises AccessTooLow for one who is not the owner, FieldInvalid for the owner as the
        subject and for another access, and TooManyMembers.
        """
        by.check_may_govern()
        if access not in (Access.READER, Access.WRITER):
            raise at_field(FieldInvalid, "access", "is neither READER nor WRITER")

        async def work(pipe: Any, record: Workspace) -> Workspace:
            record.check(by, Access.OWNER)
            _check_member(record, subject)
            before = record.access_of_member(subject)
            if before is access:
                return record
            pipe.multi()
            pipe.hset(record_key(workspace), member_field(subject), access.name)
            pipe.zadd(list_key(subject), {workspace: record.update_time})
            told = {"before": _told(subject, before), "after": _told(subject, access)}
            note(pipe, "workspace.workspace.share", workspace, **told)
            return replace(record, members={**record.members, subject: access})

        return await self._records.change(workspace, work)

    async def unshare(self, workspace: str, subject: str, *, by: Requester) -> None:
        """Take a subject's access away; it raises AccessTooLow for another's when not the owner."""
        by.check_may_govern()

        async def work(pipe: Any, record: Workspace) -> None:
            record.check(by, Access.READER if subject == by.subject else Access.OWNER)
            if subject == record.owner:
                raise at_field(
                    FieldInvalid, "subject", "is the owner, who keeps it; delete the workspace"
                )
            before = record.access_of_member(subject)
            if before is Access.NONE:
                return
            pipe.multi()
            pipe.hdel(record_key(workspace), member_field(subject))
            pipe.zrem(list_key(subject), workspace)
            note(pipe, "workspace.workspace.unshare", workspace, before=_told(subject, before))

        await self._records.change(workspace, work)

    async def transfer(self, workspace: str, subject: str, *, by: Requester) -> Workspace:
        """Make a subject the owner, whoever owns it now; for administrators."""
        by.check_may_govern()

        async def work(pipe: Any, record: Workspace) -> Workspace:
            if subject == record.owner:
                return record
            pipe.multi()
            pipe.hset(record_key(workspace), "owner", subject)
            pipe.hdel(record_key(workspace), member_field(subject))
            pipe.zrem(list_key(record.owner), workspace)
            pipe.zadd(list_key(subject), {workspace: record.update_time})
            told = {"before": {"owner": record.owner}, "after": {"owner": subject}}
            note(pipe, "workspace.workspace.transfer", workspace, **told)
            members = {name: each for name, each in record.members.items() if name != subject}
            return replace(record, owner=subject, members=members)

        return await self._records.change(workspace, work)


def _check_member(record: Workspace, subject: str) -> None:
    if subject == record.owner:
        raise at_field(FieldInvalid, "subject", "is the owner, who may do everything already")
    if subject not in record.members and len(record.members) >= MAX_MEMBERS:
        raise TooManyMembers(
            f"the workspace is shared with {MAX_MEMBERS} subjects already, which is the most; "
            "unshare it with one of them first",
            metadata={"workspace": record.id, "most": str(MAX_MEMBERS)},
        )


def _told(subject: str, access: Access) -> dict[str, str] | None:
    return {"subject": subject, "access": access.name.lower()} if access else None
