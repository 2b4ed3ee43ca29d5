"""Checks the chain, record by record."""

import asyncio
import enum
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from toolmesh_audit.chain import Chain, Checkpoint
from toolmesh_audit.errors import SequenceUnknown
from toolmesh_audit.records import GENESIS, Record
from toolmesh_audit.retention import TRIM_ACTION

_MOST_AT_ONCE = 1000
_SECONDS_BETWEEN_REPORTS = 1.0


class Fault(enum.Enum):
    """What is wrong with a record."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Finding:
    """How far the check has got; with `fault`, what it found.

    Attributes:
        total: how many records there are to check.
        last_hash: the hash of the record `last`.
        bad: the number of the first bad record.
    """

    checked: int = 0
    total: int = 0
    last: int = 0
    last_hash: bytes = b""
    finished: bool = False
    fault: Fault | None = None
    bad: int = 0
    message: str = ""


@dataclass
class _Walk:
    """Where the check is."""

    expected: int
    previous: bytes
    anchors: Mapping[int, str]
    finding: Finding = field(default_factory=Finding)
    trims: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])

    def check(self, records: Sequence[Record]) -> bool:
        """Goes on over `records`; False when one is bad."""
        for record in records:
            bad = self._fault(record)
            if bad is not None:
                self.finding = bad
                return False
            if TRIM_ACTION in record.event:
                self._note_trim(record)
            self.previous, self.expected = record.hash, record.seq + 1
            done = self.finding.checked + 1
            self.finding = replace(
                self.finding, checked=done, last=record.seq, last_hash=record.hash
            )
        return True

    def found(self, fault: Fault, bad: int, message: str) -> Finding:
        """A fault."""
        return replace(self.finding, finished=True, fault=fault, bad=bad, message=message)

    def _fault(self, record: Record) -> Finding | None:
        here = self.expected
        if record.place != here:
            until = record.place - 1
            which = f"record {here} is" if until == here else f"records {here} to {until} are"
            return self.found(Fault.REMOVED, here, f"{which} missing")
        if record.seq != here and record.is_intact():
            return self.found(
                Fault.REORDERED, here, f"in place of record {here} stands record {record.seq}"
            )
        if not record.is_intact():
            return self.found(Fault.ALTERED, here, f"record {here} does not have its hash")
        if record.previous != self.previous:
            return self.found(
                Fault.ALTERED,
                max(here - 1, 1),
                f"record {here} was written after another record {here - 1} than the one here",
            )
        stated = self.anchors.get(here)
        if stated is not None and stated != record.hash.hex():
            return self.found(
                Fault.REWRITTEN, here, f"the anchor of record {here} states another hash"
            )
        return None

    def _note_trim(self, record: Record) -> None:
        event = orjson.loads(record.event)
        if event.get("method") == TRIM_ACTION.decode():
            after = event.get("after", {})
            self.trims.add((after.get("sequence"), after.get("hash")))


async def verify(
    chain: Chain, *, from_seq: int = 0, anchors: Mapping[int, str]
) -> AsyncIterator[Finding]:
    """Checks from a record on to the head; yields about every second, and at the end.

    Args:
        from_seq: the first record to check; 0: the oldest that is kept.
        anchors: hashes in hexadecimal that were kept elsewhere, by record number.

    Raises:
        SequenceUnknown: there is no record `from_seq`.
        Unavailable: Redis does not answer.
    """
    while True:
        checkpoint = await chain.checkpoint()
        async for finding in _verify(chain, checkpoint, from_seq=from_seq, anchors=anchors):
            # What is missing may have been forgotten, in its time, since the check began.
            if finding.fault is Fault.REMOVED and await chain.checkpoint() != checkpoint:
                break
            yield finding
        else:
            return


async def _verify(
    chain: Chain, checkpoint: Checkpoint, *, from_seq: int, anchors: Mapping[int, str]
) -> AsyncIterator[Finding]:
    head = await chain.head()
    start = from_seq or checkpoint.seq + 1
    known = dict((await chain.anchors()).values()) | dict(anchors)
    walk = _Walk(start, await _before(chain, checkpoint, start), known)
    walk.finding = Finding(total=max(head.seq - start + 1, 0))
    reported = time.monotonic()
    while walk.expected <= head.seq:
        records = await chain.read(start=walk.expected, count=_MOST_AT_ONCE)
        records = [record for record in records if record.place <= head.seq]
        if not records:
            break
        if not await asyncio.to_thread(walk.check, records):
            yield walk.finding
            return
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            yield walk.finding
    if walk.expected <= head.seq:
        here = walk.expected
        yield walk.found(Fault.REMOVED, here, f"the records from {here} on are missing")
        return
    if walk.previous != head.hash:
        yield walk.found(Fault.ALTERED, head.seq, f"record {head.seq} does not have its hash")
        return
    beyond = [seq for seq in anchors if seq > head.seq]
    if beyond:
        yield walk.found(Fault.REMOVED, head.seq + 1, f"there is an anchor of record {beyond[0]}")
        return
    trimmed = (checkpoint.seq, checkpoint.hash.hex())
    if not from_seq and checkpoint.seq and trimmed not in walk.trims:
        yield walk.found(
            Fault.REMOVED, checkpoint.seq, "records were removed, but not by the retention"
        )
        return
    yield replace(walk.finding, finished=True, message="every record is as it was written")


async def _before(chain: Chain, checkpoint: Checkpoint, start: int) -> bytes:
    """The hash that the record `start` must have for the one before it."""
    if start == checkpoint.seq + 1:
        return checkpoint.hash
    found = await chain.read(start=start - 1, count=1) if start > checkpoint.seq + 1 else []
    if found and found[0].place == start - 1:
        return found[0].hash
    if start == 1:
        return GENESIS
    raise SequenceUnknown(
        f"record {start} is not kept, or the one before it is not",
        metadata={"sequence": str(start)},
    )
