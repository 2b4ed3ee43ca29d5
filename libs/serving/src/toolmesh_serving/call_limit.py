"""Limits how much heavy work a service does at once: what is too much is told to come back."""

from collections.abc import Generator
from contextlib import contextmanager

from toolmesh_serving.errors import ToolmeshError


class CallLimit:
    """So many places for work; who finds none is refused at once, for a queue would only grow.

    Args:
        places: how many there are.
        busy: the kind of failure of who finds none.
        work: what it is, in the plural, for the message.
        retry_seconds: when to try again.
    """

    def __init__(
        self, places: int, *, busy: type[ToolmeshError], work: str, retry_seconds: float
    ) -> None:
        self._free = places
        self._busy = busy
        self._work = work
        self._retry_seconds = retry_seconds

    @contextmanager
    def place(self) -> Generator[None]:
        """Hold a place.

        Raises:
            ToolmeshError: of the kind `busy`; there is none.
        """
        if self._free == 0:
            raise self._busy(
                f"as many {self._work} run as the service can bear; try again in a moment",
                retry_after_seconds=self._retry_seconds,
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
