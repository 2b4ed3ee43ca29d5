"""Records: events with their place in the chain.

A record's hash is SHA-256 over its number, its time, the previous hash and the event, with a line
feed after each of the first three: numbers in decimal, the hash in hexadecimal, the event as its
canonical bytes. Who has a record's hash can tell whether any
record up to it was changed (the construction of a linear hash chain, Haber and Stornetta 1991).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = bytes(32)
"""What the first record has for the hash of the one before."""


@dataclass(frozen=True, slots=True)
class Record:
    """One link.

    Attributes:
        place: where it was found, which is its `seq` unless someone moved it.
        time: when it was written, in milliseconds since the epoch.
        event: its canonical bytes.
    """

    place: int
    seq: int
    time: int
    previous: bytes
    event: bytes
    hash: bytes

    @classmethod
    def chained(cls, event: bytes, *, seq: int, time: int, previous: bytes) -> "Record":
        """The record that comes after the one with the hash `previous`."""
        digest = record_hash(seq=seq, time=time, previous=previous, event=event)
        return cls(place=seq, seq=seq, time=time, previous=previous, event=event, hash=digest)

    @classmethod
    def parse(cls, stream_id: bytes, fields: Mapping[bytes, bytes]) -> "Record":
        """The record of a stream's entry; what is missing or garbled is empty."""
        return cls(
            place=int(stream_id.partition(b"-")[0]),
            seq=_number(fields.get(b"s", b"")),
            time=_number(fields.get(b"t", b"")),
            previous=fields.get(b"p", b""),
            event=fields.get(b"e", b""),
            hash=fields.get(b"h", b""),
        )

    def fields(self) -> tuple[Any, ...]:
        """The names and values that a stream's entry has of it."""
        return ("s", self.seq, "t", self.time, "p", self.previous, "e", self.event, "h", self.hash)

    def is_intact(self) -> bool:
        """Whether its hash is that of its content."""
        return self.hash == record_hash(
            seq=self.seq, time=self.time, previous=self.previous, event=self.event
        )


def record_hash(*, seq: int, time: int, previous: bytes, event: bytes) -> bytes:
    """See the module."""
    return hashlib.sha256(b"%d\n%d\n%s\n" % (seq, time, previous.hex().encode()) + event).digest()


def day_of(seconds: float) -> str:
    """The day of a time, `2026-11-21` in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
