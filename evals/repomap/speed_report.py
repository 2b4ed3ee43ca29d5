"""What was timed, as tables for people and as JSON for scripts."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from evals.goals import is_met
from evals.repomap.at_the_gateway import AtTheGateway
from evals.repomap.speed import MAX_TOKENS, Compared, Side

_MB = 1e6
# The files from which on a workspace counts as one of 10,000.
_LARGE = 9_000


@dataclass(frozen=True)
class Figure:
    """A figure of both sides and what is to be reached.

    Attributes:
        unit: `s` or `MB`.
        most: the goal for ours; None without one.
        least_ratio: the goal for Aider's figure divided by ours; None without one.
    """

    name: str
    unit: str
    ours: float
    aider: float | None
    most: float | None = None
    least_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """How much less ours is."""
        return self.aider / self.ours if self.aider is not None and self.ours else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None when there is none, or no peer to tell."""
        return is_met(self.ours, self.ratio, most=self.most, least_ratio=self.least_ratio)


def figures(compared: Compared) -> list[Figure]:
    """The figures of one repository."""

    def figure(
        name: str,
        of: Callable[[Side], float],
        *,
        unit: str = "s",
        most: float | None = None,
        least_ratio: float | None = None,
    ) -> Figure:
        aider = of(compared.aider) if compared.aider is not None else None
        return Figure(name, unit, of(compared.ours), aider, most, least_ratio)

    return [
        figure("first map (cold index)", lambda side: side.cold, least_ratio=5),
        figure("  with the push before it", lambda side: side.push + side.cold),
        figure("another question, warm", lambda side: median(side.questions), least_ratio=100),
        figure(
            "one file edited, push and map",
            lambda side: median(edit.seconds for edit in side.edits),
            most=1.0 if compared.file_count >= _LARGE else None,
        ),
        figure("  of that, the map", lambda side: median(edit.map for edit in side.edits)),
        figure("peak memory", lambda side: side.peak_bytes / _MB, unit="MB", least_ratio=8),
    ]


def report(compared: Sequence[Compared], gateway: AtTheGateway | None) -> str:
    """The table."""
    load = f"load average {os.getloadavg()[0]:.1f} at the end"
    lines = [f"{os.cpu_count()} cores, {load}; {MAX_TOKENS:,} tokens a map"]
    for one in compared:
        size = f"{one.file_count:,} files, {one.source_count:,} of them code"
        lines += ["", f"{one.name} ({one.about}): {size}", *_rows(one), _tokens(one)]
    if gateway is not None:
        lines += ["", *_gateway_lines(gateway)]
    return "\n".join(lines)


def _rows(compared: Compared) -> Iterator[str]:
    yield f"{'':34}{'ours':>12}{'Aider':>12}{'ratio':>9}{'goal':>12}"
    for figure in figures(compared):
        theirs = _shown(figure.aider, figure.unit) if figure.aider is not None else "-"
        ratio = f"{figure.ratio:.1f} x" if figure.ratio is not None else "-"
        row = f"{figure.name:34}{_shown(figure.ours, figure.unit):>12}{theirs:>12}{ratio:>9}"
        yield f"{row}{_goal(figure):>12}{_verdict(figure.met)}"


def _shown(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return f"{1000 * value:.1f} ms"
    return f"{value:.{2 if unit == 's' else 0}f} {unit}"


def _goal(figure: Figure) -> str:
    if figure.most is not None:
        return f"<= {figure.most:g} {figure.unit}"
    return f">= {figure.least_ratio:g} x" if figure.least_ratio is not None else ""


def _verdict(met: bool | None) -> str:
    return "" if met is None else "  met" if met else "  NOT MET"


def _tokens(compared: Compared) -> str:
    sides = {"ours": compared.ours, "Aider": compared.aider}
    shown = (
        f"{name} {min(side.token_counts):,}-{max(side.token_counts):,}"
        for name, side in sides.items()
        if side is not None
    )
    return f"{'tokens in these maps':34}{', '.join(shown)}"


def _gateway_lines(gateway: AtTheGateway) -> Iterator[str]:
    yield f"at the gateway, a warm workspace of {gateway.file_count:,} files, a new question each"
    for name, seconds in (("gRPC", gateway.grpc), ("HTTP/JSON", gateway.http)):
        p50, p99 = 1000 * median(seconds), 1000 * quantiles(seconds, n=100)[98]
        verdict = _verdict(p50 < 30)
        yield f"{name:34}p50 {p50:.1f} ms, p99 {p99:.1f} ms   goal p50 < 30 ms{verdict}"
    verdict = _verdict(gateway.budgets_kept == gateway.budgets_asked)
    kept = f"{gateway.budgets_kept:,} of {gateway.budgets_asked:,}"
    yield f"{'budgets kept, random requests':34}{kept}{verdict}"


def as_json(compared: Sequence[Compared], gateway: AtTheGateway | None) -> dict[str, Any]:
    """Everything that was measured."""
    return {
        "max_tokens": MAX_TOKENS,
        "repositories": [
            asdict(one)
            | {
                "figures": [
                    asdict(figure) | {"ratio": figure.ratio, "met": figure.met}
                    for figure in figures(one)
                ]
            }
            for one in compared
        ],
        "gateway": gateway and asdict(gateway),
    }


def all_met(compared: Sequence[Compared], gateway: AtTheGateway | None) -> bool:
    """Whether every goal that could be judged was reached."""
    verdicts = [figure.met for one in compared for figure in figures(one)]
    if gateway is not None:
        verdicts += [
            median(gateway.grpc) < 0.03,
            gateway.budgets_kept == gateway.budgets_asked,
        ]
    return all(met is not False for met in verdicts)
