"""Forgets records whose time is over, so that the rest can still be checked."""

import asyncio
import time
from typing import Final

import structlog

from toolmesh_audit.chain import Chain, Delivery
from toolmesh_audit.events import Event, Kind
from toolmesh_audit.recorder import Recorder
from toolmesh_audit.records import Record
from toolmesh_serving.errors import Unavailable

TRIM_ACTION: Final = b"audit.retention.trim"
_SECONDS_A_DAY = 24 * 3600
_log = structlog.get_logger()


async def forget(chain: Chain, recorder: Recorder, *, before: float) -> int:
    """Forgets all records that were written before a time; returns the last one's number, or 0.

    First the log itself says up to where, and with which hash; then the records go, and that hash
    becomes the checkpoint that the rest hangs on. A checkpoint that the log does not tell of is
    found by the check. The newest record always stays.

    Args:
        before: seconds since the epoch.

    Raises:
        Unavailable: Redis does not answer.
    """
    last = await _last_before(chain, int(before * 1000))
    if last is None:
        return 0
    after = {"sequence": last.seq, "hash": last.hash.hex()}
    event = Event(
        kind=Kind.ADMIN,
        time=time.time(),
        subject="system",
        method=TRIM_ACTION.decode(),
        target="records",
        after=after,
    )
    await recorder.record(Delivery([event]))
    await chain.trim(last)
    return last.seq


async def keep_retention(
    chain: Chain, recorder: Recorder, *, days: float, check_seconds: float
) -> None:
    """Forgets what is due, again and again, until cancelled."""
    while True:
        try:
            seq = await forget(chain, recorder, before=time.time() - days * _SECONDS_A_DAY)
            if seq:
                _log.info("records forgotten", last_sequence=seq)
        except Unavailable as error:
            _log.warning("retention waits", error=str(error))
        await asyncio.sleep(check_seconds)


async def _last_before(chain: Chain, millis: int) -> Record | None:
    """The newest record written before a time, found by halving: the order is that of the times."""
    low, high = (await chain.checkpoint()).seq, (await chain.head()).seq - 1
    found: Record | None = None
    while low < high:
        middle = (low + high + 1) // 2
        records = await chain.read(start=middle, count=1)
        if records and records[0].place == middle and records[0].time < millis:
            low, found = middle, records[0]
        else:
            high = middle - 1
    return found
