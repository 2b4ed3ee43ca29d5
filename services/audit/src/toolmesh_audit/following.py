"""Follows the log: what is there after a record, and then what is added."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from toolmesh_audit.chain import Chain
from toolmesh_audit.listing import Filters, Found, parse

_MOST_AT_ONCE: Final = 500
# Any replica may have written, so Redis is asked: a few cheap reads a second for who follows.
_SECONDS_BETWEEN_LOOKS: Final = 0.25
_SECONDS_BETWEEN_SIGNS: Final = 10.0


async def follow(
    chain: Chain, filters: Filters, *, after: int | None, seconds: float
) -> AsyncIterator[tuple[Sequence[Found], int]]:
    """Events after a record, oldest first, and the number up to which all were looked at.

    The first item comes at once, also when it is empty, and an empty one about every 10 seconds. No
    more is read before the last item was taken, so a slow reader costs no memory.

    Args:
        after: the number of the record; None: the newest that there is.
        seconds: how long to wait for more once there is none.

    Raises:
        Unavailable: Redis does not answer.
    """
    end = time.monotonic() + seconds
    last = (await chain.head()).seq if after is None else after
    yield (), last
    told, told_at = last, time.monotonic()
    while True:
        records = await chain.read(start=last + 1, count=_MOST_AT_ONCE)
        last = records[-1].place if records else last
        found = [parse(record) for record in records]
        fit = [each for each in found if each.event is None or filters.fit(each.event)]
        ended = time.monotonic() >= end and len(records) < _MOST_AT_ONCE
        silent = time.monotonic() - told_at > _SECONDS_BETWEEN_SIGNS
        if fit or silent or (ended and told != last):
            told, told_at = last, time.monotonic()
            yield fit, last
        if ended:
            return
        if len(records) < _MOST_AT_ONCE:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
