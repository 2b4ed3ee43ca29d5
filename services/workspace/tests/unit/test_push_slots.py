"""How many pushes run at once, and who goes first when there are too many."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from toolmesh_workspace import push_slots
from toolmesh_workspace.access import Requester
from toolmesh_workspace.errors import PushIdle, TooManyPushes
from toolmesh_workspace.push import Accepted, Begin, Step
from toolmesh_workspace.push_slots import PushSlots

ANN, BOB = Requester("ann"), Requester("bob")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the module under test reads: set `now` to move it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(push_slots, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_one_subject_cannot_take_all() -> None:
    """It is told so, and when to try again; others go on."""
    slots = PushSlots(most=4, most_a_subject=2)
    with slots.slot("ann"), slots.slot("ann"), slots.slot("bob"):
        with pytest.raises(TooManyPushes, match="for one subject") as caught, slots.slot("ann"):
            pass
        assert caught.value.retry_after_seconds == 2
        with slots.slot("bob"):
            pass
    with slots.slot("ann"), slots.slot("ann"):
        pass


def test_all_together_have_a_bound() -> None:
    """Whoever they are; a slot that was given back can be had again, also after a failure."""
    slots = PushSlots(most=2, most_a_subject=2)
    with slots.slot("ann"):
        with (
            slots.slot("bob"),
            pytest.raises(TooManyPushes, match="no further pushes"),
            slots.slot("cid"),
        ):
            pass
        with pytest.raises(ZeroDivisionError), slots.slot("bob"):
            raise ZeroDivisionError
        with slots.slot("cid"):
            pass


def test_who_has_none_goes_before_who_has_some(clock: SimpleNamespace) -> None:
    """However often the other tries in between; until it does not come back."""
    slots = PushSlots(most=2, most_a_subject=2)
    with ExitStack() as anns_first:
        anns_first.enter_context(slots.slot("ann"))
        with slots.slot("ann"), pytest.raises(TooManyPushes), slots.slot("bob"):
            pass
        for _ in range(3):
            clock.now += 1
            with pytest.raises(TooManyPushes), slots.slot("ann"):
                pass
        with slots.slot("bob"):
            pass
        # Nobody waits any more.
        with slots.slot("ann"), pytest.raises(TooManyPushes), slots.slot("cid"):
            pass
        clock.now += 60
        # Nor does cid, who has not come back.
        with slots.slot("ann"):
            pass


def test_nothing_is_remembered_of_who_has_gone() -> None:
    """Subjects come and go for as long as a service runs."""
    slots = PushSlots(most=2, most_a_subject=1)
    for number in range(1000):
        with slots.slot(f"s{number}"):
            pass
    assert not slots._held
    assert not slots._waiting


async def test_a_push_holds_its_slot_until_it_ends(make_parts: Callable[..., Any]) -> None:
    """A third one is turned away before its manifest is read, an upload too."""
    parts = make_parts(most_pushes=1)
    ids = [(await parts.workspaces.create("x", by=by)).id for by in (ANN, BOB)]

    async def begin(workspace: str) -> AsyncIterator[Step]:
        yield Begin(workspace)
        await asyncio.Event().wait()

    async def data() -> AsyncIterator[bytes]:
        yield b""

    anns = parts.pushes.push(begin(ids[0]), by=ANN)
    assert await anext(anns) == Accepted()
    with pytest.raises(TooManyPushes):
        await anext(parts.pushes.push(begin(ids[1]), by=BOB))
    with pytest.raises(TooManyPushes):
        await parts.uploads.upload(ids[1], data(), by=BOB)
    await anns.aclose()
    assert await anext(parts.pushes.push(begin(ids[1]), by=BOB)) == Accepted()


async def test_a_client_that_falls_silent_loses_its_slot(
    make_parts: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push and an upload alike: who only holds a slot keeps others out."""
    monkeypatch.setattr(push_slots, "_IDLE_SECONDS", 0.01)
    parts = make_parts(most_pushes=1)
    workspace = (await parts.workspaces.create("x", by=ANN)).id

    async def silent(*items: Any) -> AsyncIterator[Any]:
        for item in items:
            yield item
        await asyncio.Event().wait()

    with pytest.raises(PushIdle):
        [event async for event in parts.pushes.push(silent(), by=ANN)]
    with pytest.raises(PushIdle):
        [event async for event in parts.pushes.push(silent(Begin(workspace)), by=ANN)]
    with pytest.raises(PushIdle):
        await parts.uploads.upload(workspace, silent(b"x"), by=ANN)
    assert await anext(parts.pushes.push(silent(Begin(workspace)), by=ANN)) == Accepted()
