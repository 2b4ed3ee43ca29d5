"""What is known of every workspace, in Redis.

Keys, the numbers in them being times:

- `workspace:record:<id>`: the record, a hash; its fields `member:<subject>` say READER or WRITER
- `workspace:snapshots:<id>`: its snapshots by when they became the newest
- `workspace:of:<subject>`: the ids of a subject's workspaces, own and shared, by when they were
  updated
- `workspace:deleted`, `workspace:unswept`: what the sweeper has to look at, by from when on

Times are microseconds since the epoch by Redis's own clock, so replicas agree on them.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from toolmesh_serving.redis_store import Store, change, note, reaching_store
from toolmesh_workspace.access import Access, Requester
from toolmesh_workspace.errors import WorkspaceDeleted, WorkspaceUnknown
from toolmesh_workspace.redis_time import MICROS, NOW
from toolmesh_workspace.workspace_record import (
    Workspace,
    list_key,
    read_record,
    record_key,
    workspace_of,
)

SNAPSHOTS_KEPT = 10
# A tool that began to read a snapshot can go on with it for this long, whatever is pushed.
GRACE_MICROS = 3600 * MICROS
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 6
_SLUG_LENGTH = 40
_DELETED = "workspace:deleted"
UNSWEPT = "workspace:unswept"
_Result = TypeVar("_Result")

_CREATE = (
    NOW
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'display_name', ARGV[2], 'owner', ARGV[3],
  'snapshot', '', 'file_count', 0, 'size_bytes', 0,
  'create_time', string.format('%.0f', now), 'update_time', string.format('%.0f', now))
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[1])
return redis.call('HGETALL', KEYS[1])
"""
)
# A snapshot is kept while it is among the newest, and for the grace time after it fell out: that
# was when the one that stands as many places before it came.
_TRIM = (
    NOW
    + """
local all = redis.call('ZREVRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local keep, kept = tonumber(ARGV[1]), {}
for rank = 0, #all / 2 - 1 do
  if rank < keep or tonumber(all[2 * (rank - keep) + 2]) > now - ARGV[2] then
    kept[#kept + 1] = all[2 * rank + 1]
  else
    redis.call('ZREM', KEYS[1], all[2 * rank + 1])
  end
end
return kept
"""
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a subject's list: right after the workspace of this update time and id.

    Lists go down; of equal times the ids stand in descending order, as Redis has them.
    """

    update_time: int
    id: str


class Records:
    """Reads and changes the records. Every method raises Unavailable when Redis does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, *, display_name: str, owner: str) -> Workspace:
        """Make a workspace with an id of its own."""
        with reaching_store():
            while True:
                name = _new_id(display_name)
                keys = [record_key(name), list_key(owner)]
                arguments = [name, display_name, owner]
                made = await self._store.eval(_CREATE, len(keys), *keys, *arguments)
                if made:
                    return workspace_of(_fields(made))

    async def get(
        self, workspace: str, *, by: Requester, needs: Access = Access.READER
    ) -> Workspace:
        """Return a workspace; it raises WorkspaceUnknown, and AccessTooLow for less than needed."""
        with reaching_store():
            record = await read_record(self._store, workspace)
        if record is None:
            raise WorkspaceUnknown.of(workspace)
        record.check(by, needs)
        return record

    async def list(
        self, *, of: Requester, after: Position | None, count: int
    ) -> tuple[Sequence[Workspace], Position | None]:
        """Return a page of a list, last pushed first, and where the next one begins.

        The page may be shorter than `count` when workspaces are deleted or unshared meanwhile.
        """
        with reaching_store():
            if of.workspaces is not None:
                return await self._list_among(of.workspaces, of, after, count)
            found = await self._ids(of.subject, after, count + 1)
            read = await self._read(position.id for position in found[:count])
        more = found[count - 1] if len(found) > count else None
        return [record for record in read if record.access_of(of)], more

    async def change(
        self, workspace: str, work: Callable[[Any, Workspace], Awaitable[_Result]]
    ) -> _Result:
        """Run `work` on a record as one transaction, again if another replica changed it meanwhile.

        `work` gets the pipe of the transaction, and the record as it is read in it. It raises
        WorkspaceDeleted when there is none.
        """

        async def with_record(pipe: Any) -> _Result:
            record = await read_record(pipe, workspace)
            if record is None:
                raise WorkspaceDeleted.of(workspace)
            return await work(pipe, record)

        return await change(self._store, with_record, record_key(workspace))

    async def commit(
        self, workspace: str, *, by: Requester, snapshot: str, file_count: int, size_bytes: int
    ) -> Workspace:
        """Make a snapshot the newest, and return the workspace as this commit left it.

        Whether the requester may push is checked again, as it may have changed since the push
        began. It raises WorkspaceDeleted, WorkspaceUnknown and AccessTooLow.
        """

        async def work(pipe: Any, record: Workspace) -> Workspace:
            record.check(by, Access.WRITER)
            # Later than the one before, though Redis's clock were set back: by its time the newest
            # snapshot is known from those that need not be kept.
            now = max(await _now(pipe), record.update_time + 1)
            told = {"snapshot": snapshot, "file_count": file_count, "size_bytes": size_bytes}
            pipe.multi()
            pipe.hset(record_key(workspace), mapping={**told, "update_time": now})
            pipe.zadd(_snapshots_key(workspace), {snapshot: now})
            for subject in record.subjects:
                pipe.zadd(list_key(subject), {workspace: now})
            return replace(record, **told, update_time=now)

        return await self.change(workspace, work)

    async def delete(self, workspace: str, *, by: Requester) -> None:
        """Delete an owner's record, and tell the sweeper.

        It raises WorkspaceDeleted, WorkspaceUnknown and AccessTooLow.
        """

        async def work(pipe: Any, record: Workspace) -> None:
            record.check(by, Access.OWNER)
            now = await _now(pipe)
            pipe.multi()
            pipe.delete(record_key(workspace), _snapshots_key(workspace))
            for subject in record.subjects:
                pipe.zrem(list_key(subject), workspace)
            pipe.zrem(UNSWEPT, workspace)
            pipe.zadd(_DELETED, {workspace: now + GRACE_MICROS})
            before = {"owner": record.owner, "display_name": record.display_name}
            note(pipe, "workspace.workspace.delete", workspace, before=before)

        await self.change(workspace, work)

    async def snapshots(self, workspace: str) -> Sequence[str]:
        """Return the snapshots that are kept, newest first."""
        with reaching_store():
            return await self._store.zrevrange(_snapshots_key(workspace), 0, -1)

    async def has_snapshot(self, workspace: str, snapshot: str) -> bool:
        """True when the snapshot is kept."""
        with reaching_store():
            return await self._store.zscore(_snapshots_key(workspace), snapshot) is not None

    async def trim_snapshots(self, workspace: str) -> Sequence[str]:
        """Forget the snapshots that need not be kept, and return those that are."""
        arguments = [SNAPSHOTS_KEPT, GRACE_MICROS]
        with reaching_store():
            return await self._store.eval(_TRIM, 1, _snapshots_key(workspace), *arguments)

    async def due_deleted(self) -> Sequence[str]:
        """Return deleted workspaces that no push can be writing to any more."""
        return await self._due(_DELETED)

    async def due_unswept(self) -> Sequence[str]:
        """Return workspaces to which a push began a while ago, and which were not swept since."""
        return await self._due(UNSWEPT)

    async def settle_deleted(self, workspace: str) -> None:
        """Mark a deleted workspace as done."""
        with reaching_store():
            await self._store.zrem(_DELETED, workspace)

    async def settle_unswept(self, workspace: str, *, again: bool) -> None:
        """Mark a workspace as swept; `again`: it is to be swept once more after a while."""
        with reaching_store():
            if again:
                now = await _now(self._store)
                await self._store.zadd(UNSWEPT, {workspace: now + GRACE_MICROS})
            else:
                await self._store.zrem(UNSWEPT, workspace)

    async def _due(self, key: str) -> Sequence[str]:
        with reaching_store():
            now = await _now(self._store)
            return await self._store.zrangebyscore(key, "-inf", now)

    async def _list_among(
        self, ids: Iterable[str], of: Requester, after: Position | None, count: int
    ) -> tuple[Sequence[Workspace], Position | None]:
        # There are as few as fit into a token, so all are read rather than searched for.
        records = [record for record in await self._read(ids) if record.access_of(of)]
        records.sort(key=_position, reverse=True)
        rest = [each for each in records if after is None or _position(each) < after]
        more = _position(rest[count - 1]) if len(rest) > count else None
        return rest[:count], more

    async def _read(self, ids: Iterable[str]) -> Sequence[Workspace]:
        async with self._store.pipeline(transaction=False) as reads:
            for workspace in ids:
                reads.hgetall(record_key(workspace))
            records: Sequence[dict[str, str]] = await reads.execute()
        return [workspace_of(fields) for fields in records if fields]

    async def _ids(self, subject: str, after: Position | None, count: int) -> Sequence[Position]:
        highest = "+inf" if after is None else str(after.update_time)
        positions: list[Position] = []
        offset = 0
        while len(positions) < count:
            page: list[tuple[str, float]] = await self._store.zrevrangebyscore(
                list_key(subject), highest, "-inf", start=offset, num=count + 1, withscores=True
            )
            found = (Position(int(score), name) for name, score in page)
            positions += [each for each in found if after is None or each < after]
            offset += len(page)
            if len(page) <= count:
                break
        return positions[:count]


async def _now(reader: Any) -> int:
    seconds, micros = await reader.time()
    return seconds * MICROS + micros


def _position(record: Workspace) -> Position:
    return Position(record.update_time, record.id)


def _new_id(display_name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", display_name.lower())[:_SLUG_LENGTH].strip("-")
    suffix = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    return f"{slug or 'workspace'}-{suffix}"


def _fields(flat: Sequence[str]) -> dict[str, str]:
    """Return a hash as scripts answer with it: names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _snapshots_key(workspace: str) -> str:
    return f"workspace:snapshots:{workspace}"
