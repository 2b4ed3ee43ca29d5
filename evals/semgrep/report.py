"""The figures, what is to be reached, and whether it was."""

from collections.abc import Iterator
from dataclasses import dataclass

from evals.goals import is_met
from evals.semgrep.measure import Compared, Timed, p99


@dataclass(frozen=True)
class Figure:
    """One line; `least_ratio` is how many times faster than the command we are to be."""

    name: str
    ours: float
    command: float | None = None
    least_ratio: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times faster we are."""
        return self.command / self.ours if self.command is not None else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None when there is none, or no peer to tell."""
        return is_met(self.ours, self.ratio, most=self.most, least_ratio=self.least_ratio)


def figures(compared: Compared) -> list[Figure]:
    """Return all lines."""
    one, tree = _median(compared.command_one_file), _median(compared.command_tree)
    return [
        Figure("one file: push and scan", compared.one_file.median, one, least_ratio=15),
        Figure("the tree, cold: push and scan", compared.cold.median, tree, least_ratio=1),
        Figure("the tree, cold: the scan alone", compared.cold_scan.median, tree),
        Figure("one file edited: push and scan", compared.edited.median, tree, least_ratio=20),
        Figure("nothing edited: scan", compared.warm.median, tree, most=0.1),
        Figure("health, two scans under way: p99", p99(compared.waits.health), most=0.1),
        Figure("another service, meanwhile: p99", p99(compared.waits.other_service), most=0.1),
    ]


def report(compared: Compared) -> str:
    """Return the table."""
    return "\n".join(_lines(compared))


def _lines(compared: Compared) -> Iterator[str]:
    yield f"{compared.file_count:,} files, {compared.rule_count:,} rules; {_found(compared)}"
    yield f"{'':36}{'ours':>10}{'command':>10}{'ratio':>9}{'goal':>10}"
    for figure in figures(compared):
        command = _shown(figure.command) if figure.command is not None else "-"
        ratio = f"{figure.ratio:.1f} x" if figure.ratio is not None else "-"
        met = "" if figure.met is None else "  met" if figure.met else "  NOT MET"
        row = f"{figure.name:36}{_shown(figure.ours):>10}{command:>10}{ratio:>9}"
        yield f"{row}{_goal(figure):>10}{met}"


def _found(compared: Compared) -> str:
    theirs = compared.command_tree
    return f"findings: ours {compared.cold.findings:,}" + (
        f", the command's {theirs.findings:,}" if theirs is not None else ""
    )


def _goal(figure: Figure) -> str:
    if figure.most is not None:
        return f"<= {1000 * figure.most:.0f} ms"
    return f">= {figure.least_ratio:g} x" if figure.least_ratio is not None else ""


def _shown(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _median(timed: Timed | None) -> float | None:
    return timed.median if timed is not None else None
