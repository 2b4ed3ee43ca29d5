"""The chain of records: appended to by compare-and-swap, so that replicas cannot fork it.

Whoever appends reads the head, works out the new records' hashes, and lets Redis add them only if
the head is still the same. There is no lock that could be held too long and no leader that could be
two: of two who append at once one is told to begin again. What says that an event was taken (the
delivery's key, the place in the outbox) changes in the same step, so each event is in the chain
exactly once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolmesh_audit.events import Event
from toolmesh_audit.records import GENESIS, Record, day_of
from toolmesh_audit.redis_keys import ANCHORS, CHECKPOINT, DAYS, DELIVERED, HEAD, RECORDS
from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM
from toolmesh_serving.redis_store import Store, reaching_store

# Far longer than the gateway goes on sending a delivery that was not acknowledged.
_DELIVERY_SECONDS: Final = 24 * 3600

# KEYS: head, records, anchors, days, outbox, then a key a delivery.
# ARGV: expected hash, expected seq; new hash, time; outbox cursor or ''; ended day or '', its
# anchor; seconds that deliveries are remembered; number of days; days; then four values a record.
_APPEND = """
local head = redis.call('HGET', KEYS[1], 'hash')
if (head or '') ~= ARGV[1] then return 0 end
local days = tonumber(ARGV[9])
local first, seq = tonumber(ARGV[2]) + 1, tonumber(ARGV[2])
for i = 10 + days, #ARGV, 4 do
  seq = seq + 1
  redis.call('XADD', KEYS[2], string.format('%.0f-0', seq), 's', string.format('%.0f', seq),
             't', ARGV[i], 'p', ARGV[i + 1], 'e', ARGV[i + 2], 'h', ARGV[i + 3])
end
for i = 10, 9 + days do
  redis.call('HSETNX', KEYS[4], ARGV[i] .. ':first', string.format('%.0f', first))
  redis.call('HSET', KEYS[4], ARGV[i] .. ':last', string.format('%.0f', seq))
end
if ARGV[6] ~= '' then redis.call('HSETNX', KEYS[3], ARGV[6], ARGV[7]) end
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', seq), 'hash', ARGV[3], 'time', ARGV[4])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'outbox', ARGV[5])
  redis.call('XTRIM', KEYS[5], 'MINID', ARGV[5])
end
for i = 6, #KEYS do redis.call('SET', KEYS[i], 1, 'EX', ARGV[8]) end
return 1
"""

# KEYS: checkpoint, records. ARGV: seq, hash, first record that stays.
_TRIM = """
local now = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
if now >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'hash', ARGV[2])
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record, as the chain knows it; `time` is in milliseconds since the epoch.

    Attributes:
        outbox: the id of the last change that was taken from the outbox.
    """

    seq: int = 0
    hash: bytes = GENESIS
    time: int = 0
    outbox: str = "0-0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last record that is not kept any more; the chain begins after it."""

    seq: int = 0
    hash: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Delivery:
    """Events that came together and are taken together, once.

    Attributes:
        key: what tells this delivery from all others; empty for one that cannot come again.
        outbox: the id in the outbox of each event; empty for events that come from elsewhere.
    """

    events: Sequence[Event]
    key: str = ""
    outbox: Sequence[str] = ()


class Chain:
    """The chain in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._append = store.register_script(_APPEND)
        self._trim = store.register_script(_TRIM)

    async def head(self) -> Head:
        """The newest record.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            return _head(await self._store.hgetall(HEAD))

    async def checkpoint(self) -> Checkpoint:
        """Where the chain begins.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            kept = await self._store.hgetall(CHECKPOINT)
        return Checkpoint(seq=int(kept[b"seq"]), hash=kept[b"hash"]) if kept else Checkpoint()

    async def append(self, deliveries: Sequence[Delivery]) -> int:
        """Adds the events of all deliveries that were not taken before; returns how many.

        Raises:
            Unavailable: Redis does not answer; the events may be in the chain or not. Appending the
                same deliveries again is safe.
        """
        with reaching_store():
            while True:
                head, new, cursor = await self._untaken(deliveries)
                events = [event for delivery in new for event in delivery.events]
                if not events or await self._swap(head, new, events, cursor):
                    return len(events)

    async def trim(self, last: Record) -> None:
        """Forgets the records up to `last`, which becomes the checkpoint.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            await self._trim(
                keys=[CHECKPOINT, RECORDS], args=[last.seq, last.hash, f"{last.seq + 1}-0"]
            )

    async def read(self, *, start: int, count: int, newest_first: bool = False) -> list[Record]:
        """Up to `count` records from `start` on, or from there back.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            if newest_first:
                found = await self._store.xrevrange(RECORDS, f"{start}-0", "-", count=count)
            else:
                found = await self._store.xrange(RECORDS, f"{start}-0", "+", count=count)
        return [Record.parse(place, fields) for place, fields in found]

    async def anchors(self) -> dict[str, tuple[int, str]]:
        """The last record of each day that has ended: its number and its hash in hexadecimal.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            kept: dict[bytes, bytes] = await self._store.hgetall(ANCHORS)
        found: dict[str, tuple[int, str]] = {}
        for day, value in sorted(kept.items()):
            seq, _, digest = value.decode().partition(":")
            found[day.decode()] = (int(seq), digest)
        return found

    async def bounds(self, first_day: str, last_day: str) -> tuple[int, int] | None:
        """Numbers between which the events of those days lie; None when there are none.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            kept: dict[bytes, bytes] = await self._store.hgetall(DAYS)
        within = [
            int(seq)
            for name, seq in kept.items()
            if first_day <= name.decode().partition(":")[0] <= last_day
        ]
        return (min(within), max(within)) if within else None

    async def _untaken(
        self, deliveries: Sequence[Delivery]
    ) -> tuple[Head, Sequence[Delivery], str]:
        keyed = [delivery for delivery in deliveries if delivery.key]
        async with self._store.pipeline(transaction=True) as pipe:
            pipe.hgetall(HEAD)
            for delivery in keyed:
                pipe.exists(DELIVERED + delivery.key)
            kept, *taken = await pipe.execute()
        head = _head(kept)
        known = {d.key for d, there in zip(keyed, taken, strict=True) if there}
        new: dict[object, Delivery] = {}  # of one that is there twice, the first
        cursor = ""
        for delivery in deliveries:
            if delivery.outbox:
                late = [
                    (place, event)
                    for place, event in zip(delivery.outbox, delivery.events, strict=True)
                    if _order(place) > _order(cursor or head.outbox)
                ]
                if late:
                    cursor = late[-1][0]
                    new[id(delivery)] = Delivery([event for _, event in late])
            elif delivery.key not in known:
                new.setdefault(delivery.key or id(delivery), delivery)
        return head, list(new.values()), cursor

    async def _swap(
        self, head: Head, new: Sequence[Delivery], events: Sequence[Event], cursor: str
    ) -> bool:
        # Never before the head, though clocks of replicas differ.
        now = max(int(time.time() * 1000), head.time)
        records: list[Record] = []
        previous = head.hash
        for seq, event in enumerate(events, start=head.seq + 1):
            records.append(Record.chained(event.canonical(), seq=seq, time=now, previous=previous))
            previous = records[-1].hash
        ended = day_of(head.time / 1000) if head.seq else ""
        if ended == day_of(now / 1000):
            ended = ""
        days = sorted({day_of(event.time) for event in events})
        expected = head.hash if head.seq else b""
        arguments: list[object] = [expected, head.seq, records[-1].hash, now, cursor]
        arguments += [ended, f"{head.seq}:{head.hash.hex()}", _DELIVERY_SECONDS, len(days), *days]
        for record in records:
            arguments += [record.time, record.previous, record.event, record.hash]
        keys = [HEAD, RECORDS, ANCHORS, DAYS, ADMIN_EVENTS_STREAM]
        keys += [DELIVERED + delivery.key for delivery in new if delivery.key]
        return bool(await self._append(keys=keys, args=arguments))


def _head(kept: dict[bytes, bytes]) -> Head:
    if not kept:
        return Head()
    return Head(
        seq=int(kept[b"seq"]),
        hash=kept[b"hash"],
        time=int(kept[b"time"]),
        outbox=kept.get(b"outbox", b"0-0").decode(),
    )


def _order(stream_id: str) -> tuple[int, int]:
    millis, _, number = stream_id.partition("-")
    return int(millis), int(number or 0)
