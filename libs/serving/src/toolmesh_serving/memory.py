"""Keeps freed memory from staying with the process. Only glibc can; elsewhere nothing is done."""

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 2**20
_ARENAS = 2


def bound_free_memory() -> None:
    """Have the C library take large arrays from the system and give them back when they are freed.

    By itself it would come to keep them for the next of their size, once for each thread.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def give_back_memory() -> None:
    """Have the C library give back what was freed: tens of megabytes after work that needed much.

    It blocks for some milliseconds.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
