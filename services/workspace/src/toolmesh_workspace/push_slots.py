"""Bounds how many pushes and uploads a process takes at once, since each holds much in memory."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

from toolmesh_workspace.errors import PushIdle, TooManyPushes

_RETRY_SECONDS: Final = 2.0
# Who was turned away is waited for until it should have come again.
_WAITING_SECONDS: Final = 3 * _RETRY_SECONDS
_IDLE_SECONDS: Final = 60.0
_Item = TypeVar("_Item")


class PushSlots:
    """Gives out slots, fairly: a subject that has none goes before one that has some.

    Args:
        most: how many there are.
        most_a_subject: how many of them one subject may hold.
    """

    def __init__(self, *, most: int, most_a_subject: int) -> None:
        self._most = most
        self._most_a_subject = most_a_subject
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, float] = {}  # subjects without a slot -> until when

    @contextmanager
    def slot(self, subject: str) -> Generator[None]:
        """Hold a slot; it raises TooManyPushes, with a time to wait, when there is none."""
        self._check(subject)
        self._waiting.pop(subject, None)
        self._held[subject] += 1
        try:
            yield
        finally:
            self._held[subject] -= 1
            self._held += Counter()  # drops who holds none

    def _check(self, subject: str) -> None:
        held = self._held[subject]
        if held >= self._most_a_subject:
            raise _refusal(f"you have {held} pushes running, which is the most for one subject")
        now = time.monotonic()
        self._waiting = {name: end for name, end in self._waiting.items() if end > now}
        free = self._most - self._held.total()
        if free > 0 and (not held or free > len(self._waiting)):
            return
        if not held:
            self._waiting[subject] = now + _WAITING_SECONDS
        raise _refusal("the service takes no further pushes at the moment")


async def lively(items: AsyncIterator[_Item]) -> AsyncIterator[_Item]:
    """Yield what a client sends; it raises PushIdle when nothing comes for a minute."""
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                item = await anext(items)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise PushIdle(f"nothing came for {_IDLE_SECONDS:.0f} seconds; push again") from None
        yield item


def _refusal(reason: str) -> TooManyPushes:
    seconds = _RETRY_SECONDS
    return TooManyPushes(f"{reason}; try again in {seconds:.0f} s", retry_after_seconds=seconds)
