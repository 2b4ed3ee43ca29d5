"""What is known of every workspace, in Redis.

Keys, the numbers in them being times:

- `workspace:record:<id>`: the record, a hash
- `workspace:snapshots:<id>`: its snapshots by when they became the newest
- `workspace:of:<owner>`: the ids of an owner's workspaces by when they were updated
- `workspace:deleted`, `workspace:unswept`: what the sweeper has to look at, by from when on

Times are microseconds since the epoch by Redis's own clock, so replicas agree on them.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from toolmesh_serving.redis_store import Store, reaching_store
from toolmesh_workspace.errors import WorkspaceUnknown
from toolmesh_workspace.redis_time import MICROS, NOW

SNAPSHOTS_KEPT = 10
# A tool that began to read a snapshot can go on with it for this long, whatever is pushed.
GRACE_MICROS = 3600 * MICROS
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 6
_SLUG_LENGTH = 40
_DELETED = "workspace:deleted"
_UNSWEPT = "workspace:unswept"

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
_COMMIT = (
    NOW
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local stamp = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'snapshot', ARGV[2], 'file_count', ARGV[3], 'size_bytes', ARGV[4],
  'update_time', stamp)
redis.call('ZADD', KEYS[2], stamp, ARGV[2])
redis.call('ZADD', KEYS[3], stamp, ARGV[1])
redis.call('ZADD', KEYS[4], 'NX', string.format('%.0f', now + ARGV[5]), ARGV[1])
return redis.call('HGETALL', KEYS[1])
"""
)
_DELETE = (
    NOW
    + """
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[5], string.format('%.0f', now + ARGV[2]), ARGV[1])
return 1
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


@dataclass(frozen=True, slots=True)
class Position:
    """A place in an owner's list: right after the workspace of this update time and id."""

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
                keys = [_record_key(name), _owner_key(owner)]
                arguments = [name, display_name, owner]
                made = await self._store.eval(_CREATE, len(keys), *keys, *arguments)
                if made:
                    return _workspace(_fields(made))

    async def get(self, workspace: str, *, owner: str) -> Workspace:
        """Return an owner's workspace; it raises WorkspaceUnknown."""
        with reaching_store():
            fields: dict[str, str] = await self._store.hgetall(_record_key(workspace))
        if not fields or fields["owner"] != owner:
            raise WorkspaceUnknown.of(workspace)
        return _workspace(fields)

    async def list(
        self, *, owner: str, after: Position | None, count: int
    ) -> tuple[Sequence[Workspace], Position | None]:
        """Return a page of an owner's workspaces, last pushed first, and where the next one begins.

        The page may be shorter than `count` when workspaces are deleted meanwhile.
        """
        with reaching_store():
            found = await self._ids(owner, after, count + 1)
            async with self._store.pipeline(transaction=False) as reads:
                for position in found[:count]:
                    reads.hgetall(_record_key(position.id))
                records: list[dict[str, str]] = await reads.execute()
        more = found[count - 1] if len(found) > count else None
        return [_workspace(fields) for fields in records if fields], more

    async def commit(
        self, workspace: Workspace, *, snapshot: str, file_count: int, size_bytes: int
    ) -> Workspace:
        """Make a snapshot the newest, and return the workspace as this commit left it.

        It raises WorkspaceUnknown when the workspace is gone.
        """
        keys = [
            _record_key(workspace.id),
            _snapshots_key(workspace.id),
            _owner_key(workspace.owner),
            _UNSWEPT,
        ]
        arguments = [workspace.id, snapshot, file_count, size_bytes, GRACE_MICROS]
        with reaching_store():
            changed = await self._store.eval(_COMMIT, len(keys), *keys, *arguments)
        if not changed:
            raise WorkspaceUnknown.of(workspace.id)
        return _workspace(_fields(changed))

    async def delete(self, workspace: Workspace) -> None:
        """Delete a record; it raises WorkspaceUnknown when it is gone. The sweeper is told."""
        keys = [
            _record_key(workspace.id),
            _snapshots_key(workspace.id),
            _owner_key(workspace.owner),
            _UNSWEPT,
            _DELETED,
        ]
        with reaching_store():
            done = await self._store.eval(_DELETE, len(keys), *keys, workspace.id, GRACE_MICROS)
        if not done:
            raise WorkspaceUnknown.of(workspace.id)

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
        """Return workspaces that were pushed to a while ago and not swept since."""
        return await self._due(_UNSWEPT)

    async def settle_deleted(self, workspace: str) -> None:
        """Mark a deleted workspace as done."""
        with reaching_store():
            await self._store.zrem(_DELETED, workspace)

    async def settle_unswept(self, workspace: str) -> None:
        """Mark a workspace as swept."""
        with reaching_store():
            await self._store.zrem(_UNSWEPT, workspace)

    async def _due(self, key: str) -> Sequence[str]:
        with reaching_store():
            seconds, micros = await self._store.time()
            now = seconds * MICROS + micros
            return await self._store.zrangebyscore(key, "-inf", now, start=0, num=100)

    async def _ids(self, owner: str, after: Position | None, count: int) -> Sequence[Position]:
        highest = "+inf" if after is None else str(after.update_time)
        positions: list[Position] = []
        offset = 0
        while len(positions) < count:
            page: list[tuple[str, float]] = await self._store.zrevrangebyscore(
                _owner_key(owner), highest, "-inf", start=offset, num=count + 1, withscores=True
            )
            found = (Position(int(score), name) for name, score in page)
            positions += [each for each in found if after is None or _is_after(each, after)]
            offset += len(page)
            if len(page) <= count:
                break
        return positions[:count]


def _is_after(position: Position, other: Position) -> bool:
    # Equal times stand in descending order of their ids, as Redis has them.
    return (position.update_time, position.id) < (other.update_time, other.id)


def _new_id(display_name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", display_name.lower())[:_SLUG_LENGTH].strip("-")
    suffix = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    return f"{slug or 'workspace'}-{suffix}"


def _fields(flat: Sequence[str]) -> dict[str, str]:
    """Return a hash as scripts answer with it: names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _workspace(fields: dict[str, str]) -> Workspace:
    return Workspace(
        id=fields["id"],
        display_name=fields["display_name"],
        owner=fields["owner"],
        snapshot=fields["snapshot"],
        file_count=int(fields["file_count"]),
        size_bytes=int(fields["size_bytes"]),
        create_time=int(fields["create_time"]),
        update_time=int(fields["update_time"]),
    )


def _record_key(workspace: str) -> str:
    return f"workspace:record:{workspace}"


def _snapshots_key(workspace: str) -> str:
    return f"workspace:snapshots:{workspace}"


def _owner_key(owner: str) -> str:
    return f"workspace:of:{owner}"
