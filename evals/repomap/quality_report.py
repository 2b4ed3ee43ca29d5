"""What was scored, as tables for people."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from evals.repomap.contenders import AIDER, BUDGETS, OURS
from evals.repomap.quality import Row
from evals.repomap.scoring import interval, macro_mean

_SEED = 1
_KINDS = {
    "commit": "tasks from history",
    "docstring": "tasks from hidden documentation",
}
_MEASURES: dict[str, Callable[[Row], float | None]] = {
    "files that matter": lambda row: row.score.files,
    "symbols that matter": lambda row: row.score.symbols,
}


def tables(rows: Sequence[Row]) -> str:
    """All tables."""
    return "\n".join(line for table in _tables(rows) for line in [*table, ""])


def _tables(rows: Sequence[Row]) -> Iterator[list[str]]:
    contenders = list(dict.fromkeys(row.contender for row in rows))
    for kind, about in _KINDS.items():
        of_kind = [row for row in rows if row.kind == kind]
        if not of_kind:
            continue
        count = len({(row.repository, row.task) for row in of_kind})
        for measure, value in _MEASURES.items():
            lines = [_head(f"{about} ({count}): {measure}, %")]
            for contender in contenders:
                cells = [
                    100 * macro_mean(_values(of_kind, contender, budget, value))
                    for budget in BUDGETS
                ]
                lines.append(_line(contender, [*cells, sum(cells) / len(cells)]))
            if AIDER in contenders:
                lines.append(_differences(of_kind, value))
            yield lines
    yield from _by_repository(rows)
    yield _kept(rows, contenders)


def _differences(rows: Sequence[Row], value: Callable[[Row], float | None]) -> str:
    cells = []
    for budget in BUDGETS:
        low, high = interval(_paired(rows, budget, value), seed=_SEED)
        cells.append(f"{100 * low:+.0f}..{100 * high:+.0f}")
    return f"{'  ours - Aider, 95 % interval':34}" + "".join(f"{cell:>9}" for cell in cells)


def _paired(
    rows: Sequence[Row], budget: int, value: Callable[[Row], float | None]
) -> dict[str, list[float]]:
    aider = {
        (row.repository, row.task): value(row)
        for row in rows
        if row.contender == AIDER and row.budget == budget
    }
    differences: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.contender == OURS and row.budget == budget:
            mine, theirs = value(row), aider[row.repository, row.task]
            if mine is not None and theirs is not None:
                differences[row.repository].append(mine - theirs)
    return differences


def _values(
    rows: Sequence[Row], contender: str, budget: int, value: Callable[[Row], float | None]
) -> dict[str, list[float]]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        number = value(row)
        if row.contender == contender and row.budget == budget and number is not None:
            values[row.repository].append(number)
    return values


def _by_repository(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Ours and Aider's for each repository, the mean over the budgets and kinds of task."""
    contenders = [name for name in (OURS, AIDER) if any(row.contender == name for row in rows)]
    columns = [f"{name}, {measure.split()[0]}" for measure in _MEASURES for name in contenders]
    lines = [f"{'by repository, all budgets, %':34}" + "".join(f"{name:>16}" for name in columns)]
    for repository in dict.fromkeys(row.repository for row in rows):
        cells = []
        for value in _MEASURES.values():
            for contender in contenders:
                numbers = [
                    number
                    for row in rows
                    if (row.repository, row.contender) == (repository, contender)
                    and (number := value(row)) is not None
                ]
                cells.append(100 * sum(numbers) / len(numbers))
        lines.append(f"{repository:34}" + "".join(f"{cell:16.1f}" for cell in cells))
    yield lines


def _kept(rows: Sequence[Row], contenders: Sequence[str]) -> list[str]:
    lines = [_head("tokens used, % of the budget", last="kept, %")]
    for contender in contenders:
        cells: list[float] = []
        own = [row for row in rows if row.contender == contender]
        for budget in BUDGETS:
            used = [row.score.token_count for row in own if row.budget == budget]
            cells.append(100 * sum(used) / len(used) / budget)
        kept = sum(row.score.token_count <= row.budget for row in own) / len(own)
        lines.append(_line(contender, [*cells, 100 * kept]))
    return lines


def _head(title: str, *, last: str = "mean") -> str:
    columns = "".join(f"{budget:>9,}" for budget in BUDGETS)
    return f"{title:60}\n{'':34}{columns}{last:>9}"


def _line(name: str, cells: Sequence[float]) -> str:
    return f"{name:34}" + "".join(f"{cell:9.1f}" for cell in cells)
