"""Finds events: a page of them, newest first, or all from the oldest on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from toolmesh_audit.chain import Chain
from toolmesh_audit.errors import TimeInvalid
from toolmesh_audit.events import Event, Kind, Outcome
from toolmesh_audit.records import Record, day_of
from toolmesh_serving.errors import FieldViolation
from toolmesh_serving.page_tokens import read_page_token, write_page_token

_MOST_AT_ONCE = 500
# A page looks at no more records than this, however few fit: it takes well under a second.
_MOST_LOOKED_AT = 20_000
_LAST_DAY = "9999-12-31"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events are wanted; what is empty or None leaves all. Times: seconds since the epoch."""

    start: float | None = None
    end: float | None = None
    subject: str = ""
    method: str = ""
    outcome: Outcome | None = None
    kind: Kind | None = None
    request_id: str = ""

    def fit(self, event: Event) -> bool:
        """Whether the event is wanted."""
        return (
            (self.start is None or event.time >= self.start)
            and (self.end is None or event.time < self.end)
            and (not self.subject or event.subject == self.subject)
            and (not self.method or event.method == self.method)
            and (self.outcome is None or event.outcome is self.outcome)
            and (self.kind is None or event.kind is self.kind)
            and (not self.request_id or event.request_id == self.request_id)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """An event and the record that it stands in; `event` is None where the record is garbled."""

    record: Record
    event: Event | None


async def list_events(
    chain: Chain, filters: Filters, *, page_size: int, page_token: str
) -> tuple[list[Found], str]:
    """A page of events, newest first, and the token of the next page.

    Raises:
        PageTokenInvalid: the token is not one of this list with these filters.
        TimeInvalid: the end lies before the start.
        Unavailable: Redis does not answer.
    """
    if filters.start is not None and filters.end is not None and filters.end < filters.start:
        raise TimeInvalid(
            "end_time lies before start_time",
            field_violations=[FieldViolation("end_time", "must not lie before start_time")],
        )
    low, high = await _bounds(chain, filters)
    if page_token:
        high = min(high, read_page_token(page_token, int, of=_name(filters)))
    page: list[Found] = []
    looked_at = 0
    while high >= low and looked_at < _MOST_LOOKED_AT:
        records = await chain.read(start=high, count=_MOST_AT_ONCE, newest_first=True)
        if not records:
            return page, ""
        for record in records:
            if record.place < low:
                return page, ""
            if len(page) == page_size:
                return page, write_page_token(record.place, of=_name(filters))
            looked_at += 1
            high = record.place - 1
            found = parse(record)
            if found.event is None or filters.fit(found.event):
                page.append(found)
    return page, write_page_token(high, of=_name(filters)) if high >= low else ""


async def export_lines(chain: Chain, *, from_seq: int, until: int) -> AsyncIterator[bytes]:
    """JSON lines of the records up to `until`, many at a time.

    Raises:
        Unavailable: Redis does not answer.
    """
    while from_seq <= until:
        records = await chain.read(start=from_seq, count=_MOST_AT_ONCE)
        records = [record for record in records if record.place <= until]
        if not records:
            return
        yield b"".join(_line(record) for record in records)
        from_seq = records[-1].place + 1


def _line(record: Record) -> bytes:
    # The event as it was hashed, to the byte, unless someone garbled it.
    try:
        orjson.loads(record.event)
        event = orjson.Fragment(record.event)
    except orjson.JSONDecodeError:
        event = record.event.decode(errors="replace")
    return orjson.dumps(
        {
            "sequence": record.seq,
            "time": record.time,
            "previous_hash": record.previous.hex(),
            "hash": record.hash.hex(),
            "event": event,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def parse(record: Record) -> Found:
    """The event of a record."""
    try:
        return Found(record, Event.parse(record.event))
    except ValueError:
        return Found(record, None)


async def _bounds(chain: Chain, filters: Filters) -> tuple[int, int]:
    head = (await chain.head()).seq
    if filters.start is None and filters.end is None:
        return 1, head
    first = day_of(filters.start) if filters.start is not None else ""
    last = day_of(filters.end) if filters.end is not None else _LAST_DAY
    bounds = await chain.bounds(first, last)
    return bounds or (1, 0)


def _name(filters: Filters) -> bytes:
    return repr(filters).encode()
