"""Judges what was measured, and tells the caller of the command."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from evals.processes import BenchmarkError


def is_met(
    ours: float, ratio: float | None, *, most: float | None, least_ratio: float | None
) -> bool | None:
    """Whether a goal is reached; None when there is none, or no peer to tell."""
    if most is not None:
        return ours <= most
    if least_ratio is not None and ratio is not None:
        return ratio >= least_ratio
    return None


def exit_code(measuring: Coroutine[Any, Any, bool], *, strict: bool) -> int:
    """Measure, and return 1 when that fails, 2 when a goal is missed and `strict`, else 0.

    SIGTERM ends it as SIGINT does: all that was started is stopped first.
    """

    async def measure() -> bool:
        task = asyncio.ensure_future(measuring)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        met = asyncio.run(measure())
    except BenchmarkError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    return 2 if strict and not met else 0
