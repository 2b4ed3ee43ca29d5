"""Whether a map shows what matters, and how sure a difference is."""

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evals.repomap.tasks import Task

_RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """What part of what matters to a task is in a map.

    Attributes:
        symbols: None where the task has none.
    """

    files: float
    symbols: float | None
    token_count: int


def score(task: Task, text: str, *, paths: Collection[str], token_count: int) -> Score:
    """Scores a map, whoever drew it.

    A file is shown when a line is its path, alone or before a colon. A symbol is shown when it is
    a whole word of what its file shows.
    """
    sections = shown(text, paths)
    files = sum(path in sections for path in task.files) / len(task.files)
    found = [
        bool(re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", sections.get(path, "")))
        for path, name in task.symbols
    ]
    return Score(files, sum(found) / len(found) if found else None, token_count)


def shown(text: str, paths: Collection[str]) -> dict[str, str]:
    """The files that a map shows and what it shows of each."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        path = line.split("  ", 1)[0].rstrip().removesuffix(":")
        if path in paths:
            current = sections.setdefault(path, [])
        else:
            current.append(line)
    return {path: "\n".join(lines) for path, lines in sections.items()}


def macro_mean(by_repository: Mapping[str, Sequence[float]]) -> float:
    """The mean of the repositories' means: each repository counts the same."""
    means = [sum(values) / len(values) for values in by_repository.values() if values]
    return sum(means) / len(means) if means else 0.0


def interval(by_repository: Mapping[str, Sequence[float]], *, seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of the macro mean; tasks are drawn anew in each repository."""
    drawn = random.Random(seed)  # noqa: S311 - no secret
    means = sorted(
        macro_mean(
            {name: drawn.choices(values, k=len(values)) for name, values in by_repository.items()}
        )
        for _ in range(_RESAMPLES)
    )
    return means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1]
