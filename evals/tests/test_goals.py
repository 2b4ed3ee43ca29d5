"""What the evaluations' commands tell their callers, and that they leave nothing running."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from evals.goals import exit_code
from evals.processes import BenchmarkError


@pytest.mark.parametrize(
    ("met", "strict", "code"), [(True, True, 0), (False, False, 0), (False, True, 2)]
)
def test_a_missed_goal_counts_where_it_is_asked_for(met: bool, strict: bool, code: int) -> None:
    """By a code of its own."""

    async def measure() -> bool:
        return met

    assert exit_code(measure(), strict=strict) == code


def test_a_failure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, in a line."""

    async def measure() -> bool:
        raise BenchmarkError("no peer")

    assert exit_code(measure(), strict=False) == 1
    assert capsys.readouterr().err == "no peer\n"


def test_sigterm_stops_what_was_started(tmp_path: Path) -> None:
    """However long that takes."""
    stopped = tmp_path / "stopped"

    async def measure() -> bool:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            await asyncio.to_thread(stopped.touch)
        return True

    assert exit_code(measure(), strict=False) == 143
    assert stopped.exists()
