"""What was scored, as tables for people."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean

from evals.codesearch.contenders import CONTENDERS, HYBRID, MEANING, WORDS
from evals.codesearch.packages import HALVES
from evals.codesearch.quality import Row
from evals.codesearch.scoring import recall_at, reciprocal_rank
from evals.repomap.scoring import interval

_DEPTHS = (1, 5, 10)
_GOAL_DEPTH = 5
_LEAST_GAIN = 15.0
_SEED = 1


def tables(rows: Sequence[Row]) -> str:
    """All tables; the last one says how sure the differences are, and whether the goals are met."""
    return "\n\n".join(
        "\n".join(table) for table in (_scores(rows), _by_package(rows), _goals(rows))
    )


def _scores(rows: Sequence[Row]) -> Iterator[str]:
    columns = "".join(f"{f'recall@{depth}, %':>14}" for depth in _DEPTHS)
    yield f"{'':10}{'':24}{columns}{'MRR, %':>10}{'recall@5, 95 % interval':>26}"
    for half in _halves(rows):
        for contender in CONTENDERS:
            places = [row.place for row in rows if (row.half, row.contender) == (half, contender)]
            cells = "".join(f"{100 * recall_at(places, depth):14.1f}" for depth in _DEPTHS)
            rank = 100 * fmean(map(reciprocal_rank, places))
            low, high = interval({half: _hits(places)}, seed=_SEED)
            span = f"{100 * low:.0f}..{100 * high:.0f}"
            yield f"{half:10}{contender:24}{cells}{rank:10.1f}{span:>26}"


def _by_package(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{f'recall@{_GOAL_DEPTH}, %':34}" + "".join(f"{name:>22}" for name in CONTENDERS)
    for package in dict.fromkeys(row.package for row in rows):
        own = [row for row in rows if row.package == package]
        cells = ""
        for contender in CONTENDERS:
            places = [row.place for row in own if row.contender == contender]
            cells += f"{100 * recall_at(places, _GOAL_DEPTH):22.1f}"
        count = len({row.query for row in own})
        yield f"{own[0].half:10}{f'{package}, {count} queries':24}{cells}"


def _goals(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{f'recall@{_GOAL_DEPTH}, differences in points':44}{'95 % interval':>14}  goal"
    for half in _halves(rows):
        for other, least in ((WORDS, _LEAST_GAIN), (MEANING, 0.0)):
            gain, low, high = _gain(rows, half, other)
            met = "met" if gain >= least else "NOT met"
            name = f"{half}: hybrid - {other}"
            yield f"{name:36}{gain:+8.1f}{f'{low:+.0f}..{high:+.0f}':>14}  {least:+.0f}: {met}"


def goals_met(rows: Sequence[Row]) -> bool:
    """Whether the goals are reached in every half that was looked at."""
    return all(
        _gain(rows, half, other)[0] >= least
        for half in _halves(rows)
        for other, least in ((WORDS, _LEAST_GAIN), (MEANING, 0.0))
    )


def _gain(rows: Sequence[Row], half: str, other: str) -> tuple[float, float, float]:
    """How many points the hybrid is better, and the paired bootstrap interval of it."""
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.half == half:
            places[row.query][row.contender] = row.place
    differences = [
        ours - theirs
        for ours, theirs in zip(
            _hits([each[HYBRID] for each in places.values()]),
            _hits([each[other] for each in places.values()]),
            strict=True,
        )
    ]
    low, high = interval({half: differences}, seed=_SEED)
    return 100 * fmean(differences), 100 * low, 100 * high


def _hits(places: Sequence[int]) -> list[float]:
    return [float(0 < place <= _GOAL_DEPTH) for place in places]


def _halves(rows: Sequence[Row]) -> list[str]:
    return [half for half in HALVES if any(row.half == half for row in rows)]
