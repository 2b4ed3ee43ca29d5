"""How much time is left for work that is done piece by piece, in threads."""

import time
from collections.abc import Generator
from contextlib import contextmanager

_NONE = float("-inf")


class TimeLeft:
    """So many seconds of processor time; waiting for a thread, or for contents, does not count."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = _NONE
        self._is_ended = False

    @contextmanager
    def running(self) -> Generator[None]:
        """Count the time of this thread until it is left again; one at a time."""
        self._deadline = time.thread_time() + self._seconds
        try:
            yield
        finally:
            self._seconds = self._deadline - time.thread_time()
            self._deadline = _NONE

    def end(self) -> None:
        """Leave no time, whichever thread is at work: nobody waits for what it does."""
        self._is_ended = True

    @property
    def is_over(self) -> bool:
        """Whether the work is to end; what is not running has no time."""
        return self._is_ended or time.thread_time() > self._deadline
