"""Takes the changes that services wrote beside their own data, in the order of their writing."""

import asyncio
from collections.abc import Mapping

import orjson
import structlog
from redis.exceptions import RedisError

from toolmesh_audit.chain import Chain, Delivery
from toolmesh_audit.events import Event, Kind
from toolmesh_audit.recorder import Recorder
from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM, without_secrets
from toolmesh_serving.errors import Unavailable
from toolmesh_serving.redis_store import Store

_log = structlog.get_logger()
_MOST_AT_ONCE = 200
_BLOCK_MILLIS = 1000
_SECONDS_BETWEEN_TRIES = 0.5


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
        except (Unavailable, RedisError) as error:
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
        return min(max(float(stated), 0.0), 253402300799.0)
    except ValueError:
        return int(place.partition(b"-")[0]) / 1000


def _document(content: bytes) -> Mapping[str, object] | None:
    if not content:
        return None
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = content.decode(errors="replace")
    return without_secrets(document if isinstance(document, dict) else {"value": document})
