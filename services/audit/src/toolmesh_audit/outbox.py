"""Takes the changes that services wrote beside their own data, in the order of their writing."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from toolmesh_audit.chain import Chain, Delivery
from toolmesh_audit.events import Event, Kind
from toolmesh_audit.recorder import Recorder
from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM, without_secrets
from toolmesh_serving.redis_store import Store

_log = structlog.get_logger()
_MOST_AT_ONCE = 200
_BLOCK_MILLIS = 1000
_SECONDS_BETWEEN_TRIES = 0.5
_LAST_SECOND = 253402300799.0  # of the year 9999
# Plain data goes less deep. Readers of Protobuf's `Struct` take a good thirty levels.
_MOST_LEVELS = 20
_TOO_DEEP = "[too deep]"


async def take_changes(store: Store, chain: Chain, recorder: Recorder) -> None:
    """Takes changes as they come, until cancelled.

    Every replica does. The place in the outbox is part of the chain's head, so a change that two
    replicas took is in the chain once, and one that none recorded before it died is taken again.
    """
    while True:
        try:
            after = (await chain.head()).outbox
            found = await store.xread(
                {ADMIN_EVENTS_STREAM: after}, count=_MOST_AT_ONCE, block=_BLOCK_MILLIS
            )
            for _, entries in found:
                places = [place.decode() for place, _ in entries]
                events = [change_event(place, fields) for place, fields in entries]
                await recorder.record(Delivery(events, outbox=places))
        except Exception as error:
            # Whatever it is, others may be able to take what is there, and this one later.
            _log.warning("changes are not taken for now", error=str(error))
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)


def change_event(place: bytes, fields: Mapping[bytes, bytes]) -> Event:
    """The event of an entry. A garbled entry is an event too: a change must not go unseen."""
    text = {name.decode(errors="replace"): value for name, value in fields.items()}

    def member(name: str) -> str:
        return without_secrets(text.get(name, b"").decode(errors="replace"))

    return Event(
        kind=Kind.ADMIN,
        time=_time(member("time"), place),
        request_id=member("request_id"),
        subject=member("actor"),
        session=member("session"),
        actor=member("delegate"),
        method=member("action") or "unknown",
        target=member("target"),
        before=_document(text.get("before", b"")),
        after=_document(text.get("after", b"")),
    )


def _time(stated: str, place: bytes) -> float:
    try:
        seconds = float(stated)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        seconds = int(place.partition(b"-")[0]) / 1000
    return min(max(seconds, 0.0), _LAST_SECOND)


def _document(content: bytes) -> Mapping[str, object] | None:
    if not content:
        return None
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = content.decode(errors="replace")
    if not isinstance(document, dict):
        document = {"value": document}
    return without_secrets(_shallow(document, _MOST_LEVELS))


def _shallow(value: Any, levels: int) -> Any:
    """Plain data without what lies deeper than so many levels."""
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return _TOO_DEEP
    if isinstance(value, dict):
        return {name: _shallow(item, levels - 1) for name, item in value.items()}
    return [_shallow(item, levels - 1) for item in value]
