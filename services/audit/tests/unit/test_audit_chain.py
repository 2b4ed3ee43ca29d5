"""The chain: appended to once, in one order, by however many; every change of it is found."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from toolmesh_audit.chain import Chain, Delivery
from toolmesh_audit.errors import SequenceUnknown
from toolmesh_audit.events import Event
from toolmesh_audit.recorder import Recorder, open_recorder
from toolmesh_audit.records import Record, day_of
from toolmesh_audit.redis_keys import ANCHORS, CHECKPOINT, HEAD, RECORDS
from toolmesh_audit.retention import forget
from toolmesh_audit.verification import Fault, Finding, verify
from toolmesh_serving.redis_store import open_store

CallOf = Callable[..., Event]


async def _fill(chain: Chain, call_of: CallOf, count: int = 6) -> None:
    await chain.append([Delivery([call_of(number) for number in range(count)])])


async def _verify(
    chain: Chain, *, from_seq: int = 0, anchors: Mapping[int, str] | None = None
) -> Finding:
    findings = [f async for f in verify(chain, from_seq=from_seq, anchors=anchors or {})]
    assert findings[-1].finished
    return findings[-1]


async def _rebuild(store: Any, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
    await store.delete(RECORDS)
    for place, fields in entries:
        await store.xadd(RECORDS, fields, id=place)


async def test_an_untouched_chain_is_valid(chain: Chain, call_of: CallOf) -> None:
    """Each record hangs on the one before, and the check goes to the head."""
    await _fill(chain, call_of)
    await _fill(chain, call_of)
    finding = await _verify(chain)

    assert (finding.fault, finding.checked, finding.last) == (None, 12, 12)
    assert (await _verify(chain, from_seq=5)).checked == 8


async def test_an_empty_chain_is_valid(chain: Chain) -> None:
    """There is nothing to find in nothing."""
    assert (await _verify(chain)).checked == 0


async def test_a_delivery_is_taken_once(chain: Chain, call_of: CallOf) -> None:
    """What comes again, in the same group or later, adds nothing; what is new does."""
    first = Delivery([call_of(1), call_of(2)], key="first")
    assert await chain.append([first, first]) == 2
    assert await chain.append([first, Delivery([call_of(3)], key="second")]) == 1
    assert (await chain.head()).seq == 3


async def test_replicas_do_not_fork_the_chain(
    audit_url: str, chain: Chain, call_of: CallOf
) -> None:
    """Two who append at the same time, some of it twice, make one chain with each event once."""
    async with (
        open_store(audit_url, decode_responses=False) as one,
        open_store(audit_url, decode_responses=False) as two,
    ):
        replicas = (Chain(one), Chain(two))
        await asyncio.gather(
            *(
                replica.append([Delivery([call_of(number)], key=str(number))])
                for number in range(50)
                for replica in replicas
            )
        )
    records = await chain.read(start=1, count=100)

    assert sorted(Event.parse(r.event).id for r in records) == sorted(
        f"call-{n}" for n in range(50)
    )
    assert (await _verify(chain)).fault is None


@pytest.mark.parametrize("bad", [1, 3, 6])
async def test_an_altered_event_is_named(
    bad: int, store: Any, chain: Chain, call_of: CallOf
) -> None:
    """A changed content does not have its hash."""
    await _fill(chain, call_of)
    entries = await store.xrange(RECORDS)
    entries[bad - 1][1][b"e"] = entries[bad - 1][1][b"e"].replace(b"ann", b"bob")
    await _rebuild(store, entries)
    finding = await _verify(chain)

    assert (finding.fault, finding.bad, finding.last) == (Fault.ALTERED, bad, bad - 1)


@pytest.mark.parametrize("bad", [1, 3, 6])
async def test_an_altered_event_with_a_new_hash_is_named(
    bad: int, store: Any, chain: Chain, call_of: CallOf
) -> None:
    """Working out the record's own hash again does not help: the next one, or the head, knows."""
    await _fill(chain, call_of)
    entries = await store.xrange(RECORDS)
    old = Record.parse(*entries[bad - 1])
    changed = Record.chained(b"{}", seq=old.seq, time=old.time, previous=old.previous)
    entries[bad - 1][1].update({b"e": changed.event, b"h": changed.hash})
    await _rebuild(store, entries)
    finding = await _verify(chain)

    assert (finding.fault, finding.bad) == (Fault.ALTERED, bad)


@pytest.mark.parametrize("bad", [1, 3, 6])
async def test_a_removed_event_is_named(
    bad: int, store: Any, chain: Chain, call_of: CallOf
) -> None:
    """A gap is found at either end and within."""
    await _fill(chain, call_of)
    await store.xdel(RECORDS, f"{bad}-0")
    finding = await _verify(chain)

    assert (finding.fault, finding.bad) == (Fault.REMOVED, bad)


async def test_reordered_events_are_named(store: Any, chain: Chain, call_of: CallOf) -> None:
    """Of two records that changed places the first is named."""
    await _fill(chain, call_of)
    entries = await store.xrange(RECORDS)
    (place_3, third), (place_4, fourth) = entries[2], entries[3]
    entries[2:4] = [(place_3, fourth), (place_4, third)]
    await _rebuild(store, entries)
    finding = await _verify(chain)

    assert (finding.fault, finding.bad) == (Fault.REORDERED, 3)
    assert finding.message == "in place of record 3 stands record 4"


async def test_a_chain_that_was_written_anew_is_found_by_an_anchor(
    store: Any, chain: Chain, call_of: CallOf
) -> None:
    """Who can write to the store can make a new valid chain, but none that fits an old anchor."""
    await _fill(chain, call_of)
    head = await chain.head()
    anchor = {head.seq: head.hash.hex()}
    assert (await _verify(chain, anchors=anchor)).fault is None
    await store.delete(RECORDS, HEAD)
    await chain.append([Delivery([call_of(n, subject="bob") for n in range(6)])])

    assert (await _verify(chain)).fault is None
    finding = await _verify(chain, anchors=anchor)
    assert (finding.fault, finding.bad) == (Fault.REWRITTEN, 6)
    await store.delete(RECORDS, HEAD)
    await _fill(chain, call_of, 2)
    assert (await _verify(chain, anchors=anchor)).fault is Fault.REMOVED


async def test_each_day_leaves_an_anchor(store: Any, chain: Chain, call_of: CallOf) -> None:
    """The first record of a day makes the last one of the day before its anchor."""
    await _fill(chain, call_of)
    yesterday = time.time() - 24 * 3600
    await store.hset(HEAD, "time", int(yesterday * 1000))
    before = await chain.head()
    await _fill(chain, call_of)
    await _fill(chain, call_of)

    assert await chain.anchors() == {day_of(yesterday): (6, before.hash.hex())}
    assert (await _verify(chain)).fault is None
    await store.hset(ANCHORS, day_of(yesterday), f"6:{'0' * 64}")
    assert (await _verify(chain)).fault is Fault.REWRITTEN


@pytest.fixture
async def recorder(chain: Chain) -> Any:
    """A recorder that works."""
    async with open_recorder(chain) as recorder:
        yield recorder


async def test_what_nobody_waits_for_any_more_is_forgotten(
    store: Any, chain: Chain, recorder: Recorder, call_of: CallOf
) -> None:
    """Who gave up comes again, so a store that does not answer fills no memory."""
    await store.client_pause(1500, all=True)
    first = asyncio.create_task(recorder.record(Delivery([call_of(1)])))
    for _ in range(20):  # until it is on its way
        await asyncio.sleep(0)
    for number in range(2, 100):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(recorder.record(Delivery([call_of(number)])), 0.001)
    await first
    await recorder.record(Delivery([call_of(100)]))
    records = await chain.read(start=1, count=200)
    assert [Event.parse(record.event).id for record in records] == ["call-1", "call-100"]


async def test_retention_keeps_the_rest_valid(
    chain: Chain, recorder: Recorder, call_of: CallOf
) -> None:
    """What is kept can be checked from its first record on, again and again."""
    await _fill(chain, call_of)
    assert await forget(chain, recorder, before=time.time() - 60) == 0
    assert await forget(chain, recorder, before=time.time() + 60) == 5
    finding = await _verify(chain)
    assert (finding.fault, finding.checked, finding.last) == (None, 2, 7)
    await _fill(chain, call_of)
    assert await forget(chain, recorder, before=time.time() + 60) == 12

    assert (await _verify(chain)).fault is None
    with pytest.raises(SequenceUnknown):
        await _verify(chain, from_seq=3)


async def test_what_is_forgotten_during_a_check_was_not_removed(
    store: Any, chain: Chain, recorder: Recorder, call_of: CallOf
) -> None:
    """The check begins again after it."""
    await _fill(chain, call_of)

    class ForgettingChain(Chain):
        """Forgets records when they are first read."""

        async def read(self, **place: Any) -> list[Record]:
            if (await chain.head()).seq == 6:
                await forget(chain, recorder, before=time.time() + 60)
            return await super().read(**place)

    finding = await _verify(ForgettingChain(store))
    assert (finding.fault, finding.checked, finding.last) == (None, 2, 7)


async def test_a_feigned_retention_is_found(store: Any, chain: Chain, call_of: CallOf) -> None:
    """Records that went with a checkpoint of which the log does not tell were removed."""
    await _fill(chain, call_of)
    third = (await chain.read(start=3, count=1))[0]
    await store.hset(CHECKPOINT, mapping={"seq": 3, "hash": third.hash})
    await store.xtrim(RECORDS, minid="4-0")
    finding = await _verify(chain)

    assert (finding.fault, finding.bad) == (Fault.REMOVED, 3)
