"""The memory of a process and all its children, watched while it works."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_SECONDS_BETWEEN_LOOKS = 0.05


@dataclass
class Peak:
    """The most that was in use at one time.

    Attributes:
        resident_bytes: the proportional set size of all processes together: what lies in memory,
            each page that they share once.
        process_count: how many there were then.
        counted_twice_bytes: the most with shared pages counted for each process.
    """

    resident_bytes: int = 0
    process_count: int = 0
    counted_twice_bytes: int = 0


@contextmanager
def watched(pid: int) -> Generator[Peak]:
    """Watches a process and its children, from a thread, while the block runs."""
    peak, done = Peak(), threading.Event()

    def watch() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            _look(pid, peak)

    thread = threading.Thread(target=watch, name="memory")
    _look(pid, peak)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _look(pid: int, peak: Peak) -> None:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
        # Cheap to ask, and never less: the rest, which holds up the processes, is asked at a peak.
        upper = sum(_sizes(processes, lambda process: process.memory_info().rss))
        if upper <= peak.counted_twice_bytes:
            return
        peak.counted_twice_bytes = upper
        sizes = _sizes(processes, lambda process: process.memory_full_info().pss)
        if sum(sizes) > peak.resident_bytes:
            peak.resident_bytes, peak.process_count = sum(sizes), len(sizes)


def _sizes(processes: Sequence[psutil.Process], size: Callable[[psutil.Process], int]) -> list[int]:
    sizes: list[int] = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            sizes.append(size(process))
    return sizes
