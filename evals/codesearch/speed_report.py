"""What was timed, with the goals, as a table for people."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from evals.codesearch.speed import Timed

_LARGE = 50_000
_MB = 1e6


@dataclass(frozen=True)
class Figure:
    """A figure and the most that it may be; None without a goal."""

    name: str
    value: float
    unit: str
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is as low as it has to be."""
        return self.most is None or self.value < self.most


def figures(timed: Timed) -> list[Figure]:
    """The figures of one tree; the goals are those for a tree of its size."""
    large = timed.symbol_count >= _LARGE
    found = [
        Figure("query, p50", 1e3 * median(timed.queries), "ms", 60 if large else 25),
        Figure("query, p99", 1e3 * percentile(timed.queries, 99), "ms", None if large else 80),
        Figure("push of all files", timed.push, "s"),
        Figure("first keyword answer after it", timed.first_answer, "s", None if large else 2),
        Figure("memory (PSS), the most", timed.memory_bytes / _MB, "MB", None if large else 500),
        Figure("ten searches at once, p50", 1e3 * median(timed.concurrent), "ms"),
        Figure("health check meanwhile, p99", 1e3 * percentile(timed.health, 99), "ms", 100),
    ]
    if timed.edits:
        goal = None if large else 1
        found.append(Figure("index after one edit, median", median(timed.edits), "s", goal))
    return found


def percentile(values: Sequence[float], rank: int) -> float:
    """The value that `rank` percent of the values are not above."""
    return quantiles(values, n=100, method="inclusive")[rank - 1] if len(values) > 1 else values[0]


def report(all_timed: Sequence[Timed]) -> str:
    """The table of each tree."""
    return "\n\n".join("\n".join(_table(timed)) for timed in all_timed)


def all_met(all_timed: Sequence[Timed]) -> bool:
    """Whether every goal is reached."""
    return all(figure.met for timed in all_timed for figure in figures(timed))


def _table(timed: Timed) -> list[str]:
    lines = [
        f"{timed.name}: {timed.file_count:,} files, {timed.symbol_count:,} symbols,"
        f" {100 * timed.share_ready:.0f} % embedded; load of the machine {os.getloadavg()[0]:.1f}"
    ]
    for figure in figures(timed):
        goal = "" if figure.most is None else f"under {figure.most:g} {figure.unit}"
        verdict = "" if figure.most is None else ("met" if figure.met else "NOT met")
        value = f"{figure.value:,.1f} {figure.unit}"
        lines.append(f"  {figure.name:34}{value:>14}  {goal:16}{verdict}".rstrip())
    return lines
