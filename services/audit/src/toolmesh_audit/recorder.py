"""Takes deliveries from many callers and appends them together."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from toolmesh_audit.chain import Chain, Delivery
from toolmesh_serving.background import working

# One script call with more would keep others from Redis for longer than a few milliseconds.
_MOST_EVENTS = 500


@dataclass(frozen=True)
class _Waiting:
    delivery: Delivery
    done: "asyncio.Future[None]" = field(default_factory=asyncio.Future)


class Recorder:
    """Appends one group at a time, so that a replica does not compete with itself for the head."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._waiting: list[_Waiting] = []
        self._there = asyncio.Event()

    async def record(self, delivery: Delivery) -> None:
        """Returns when the events are in the chain.

        Raises:
            Unavailable: Redis does not answer. Recording the same delivery again is safe.
        """
        waiting = _Waiting(delivery)
        self._waiting.append(waiting)
        self._there.set()
        await waiting.done

    async def run(self) -> None:
        """Appends what waits, until cancelled."""
        while True:
            await self._there.wait()
            group = self._group()
            try:
                await self._chain.append([waiting.delivery for waiting in group])
            except Exception as error:
                self._end(group, error)
            except asyncio.CancelledError as error:
                self._end(group, error)
                raise
            else:
                self._end(group, None)

    def _group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        events = 0
        while self._waiting and (not group or events < _MOST_EVENTS):
            waiting = self._waiting.pop(0)
            # Whoever waited may have given up, and will come again with the same delivery. While
            # Redis does not answer, keeping those would take ever more memory.
            if not waiting.done.done():
                group.append(waiting)
                events += len(waiting.delivery.events)
        if not self._waiting:
            self._there.clear()
        return group

    @staticmethod
    def _end(group: list[_Waiting], error: BaseException | None) -> None:
        for waiting in group:
            if waiting.done.done():
                continue  # whoever waited has left
            if error is None:
                waiting.done.set_result(None)
            elif isinstance(error, Exception):
                waiting.done.set_exception(error)
            else:
                waiting.done.cancel()


@asynccontextmanager
async def open_recorder(chain: Chain) -> AsyncGenerator[Recorder]:
    """A recorder that works while the block runs."""
    recorder = Recorder(chain)
    async with working(recorder.run()):
        yield recorder
