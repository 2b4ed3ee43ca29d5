"""Asks all queries of every contender, and says at which place each finds a right answer."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.codesearch.contenders import Contenders
from evals.codesearch.local_search import LocalSearch, open_local_search
from evals.codesearch.packages import Searched
from evals.codesearch.queries import Query, words_in_names
from evals.codesearch.ripgrep import ENVIRONMENT
from evals.codesearch.scoring import first_right
from evals.environments import BENCH
from evals.processes import BenchmarkError


@dataclass(frozen=True)
class Row:
    """Where a contender has the first right answer to a query: 1 is the top, 0 is nowhere."""

    package: str
    half: str
    query: str
    contender: str
    place: int


async def measure_quality(
    packages: Sequence[Searched],
    queries: Sequence[Query],
    *,
    quick: bool,
    tell: Callable[[str], None],
) -> list[Row]:
    """Scores all contenders on the packages; `quick` searches only the files that have answers.

    Raises:
        BenchmarkError: a package cannot be had, or a query is against the rules.
    """
    if wrong := list(words_in_names(queries)):
        raise BenchmarkError("\n".join(wrong))
    await ENVIRONMENT.install()
    rows: list[Row] = []
    async with open_local_search(BENCH / "codesearch") as search:
        for package in packages:
            asked = [query for query in queries if query.package == package.name]
            files = await package.files()
            if quick:
                files = with_answers(files, asked)
            rows += [row async for row in _rows(package, files, asked, search, tell)]
    return rows


def with_answers(files: Mapping[str, Path], queries: Sequence[Query]) -> dict[str, Path]:
    """Those of the files that have a right answer to a query."""
    wanted = {answer.partition("::")[0] for query in queries for answer in query.answers}
    return {path: file for path, file in files.items() if path in wanted}


async def _rows(
    package: Searched,
    files: Mapping[str, Path],
    queries: Sequence[Query],
    search: LocalSearch,
    tell: Callable[[str], None],
) -> AsyncIterator[Row]:
    tell(f"{package.name}: reading and embedding it")
    snapshot = search.snapshot(files)
    index = await search.index(
        snapshot, lambda share: tell(f"{package.name}: {100 * share:.0f} % embedded")
    )
    contenders = Contenders(search, snapshot, index, files)
    _check(package, queries, contenders.symbols)
    tell(f"{package.name}: {len(queries)} queries over {index.columns.unit_count:,} symbols")
    for query in queries:
        async for contender, ranked in contenders.ranked(query.query):
            place = first_right(ranked, query.answers)
            yield Row(package.name, package.half, query.id, contender, place)


def _check(package: Searched, queries: Sequence[Query], symbols: frozenset[str]) -> None:
    for query in queries:
        if (query.version, query.split) != (package.package.version, package.half):
            raise BenchmarkError(f"{query.id}: its version or split is not that of {package.name}")
        if missing := set(query.answers) - symbols:
            raise BenchmarkError(f"{query.id}: {package.name} does not have {sorted(missing)}")
