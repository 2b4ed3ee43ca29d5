"""Runs all contenders over all tasks and scores their maps."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.repomap.aider_peer import ENVIRONMENT
from evals.repomap.contenders import (
    AIDER,
    BUDGETS,
    OURS,
    Maps,
    aiders_maps,
    baseline_maps,
    our_maps,
)
from evals.repomap.mesh import open_mesh
from evals.repomap.prepared import Prepared, Sample, prepare
from evals.repomap.repositories import Repository
from evals.repomap.scoring import Score, score
from toolmesh_serving.tokens import count_tokens


@dataclass(frozen=True)
class Row:
    """One map's score."""

    contender: str
    repository: str
    kind: str
    task: str
    budget: int
    score: Score


async def measure_quality(
    repositories: Sequence[Repository],
    sample: Sample,
    *,
    clones: Path | None,
    with_peers: bool,
    tell: Callable[[str], None],
) -> list[Row]:
    """Scores the maps of all contenders, or with no peers only ours.

    Raises:
        BenchmarkError: a repository, Aider or the mesh cannot be had.
    """
    prepared = []
    for repository in repositories:
        tell(f"{repository.name}: tasks")
        prepared.append(await prepare(repository, sample, clones=clones))
    maps: defaultdict[str, dict[str, Maps]] = defaultdict(dict)
    # In the system's own folder for such: a Unix socket's path has at most 107 bytes.
    with TemporaryDirectory(prefix="toolmesh-") as folder:
        async with open_mesh(Path(folder)) as mesh:
            for one in prepared:
                tell(f"{one.repository.name}: our maps")
                maps[one.repository.name][OURS] = await our_maps(mesh, one)
    if with_peers:
        await ENVIRONMENT.install()
        for one in prepared:
            tell(f"{one.repository.name}: Aider's maps, and the baselines'")
            maps[one.repository.name][AIDER] = await aiders_maps(one)
            maps[one.repository.name] |= baseline_maps(one)
    return [row for one in prepared for row in _scored(one, maps[one.repository.name])]


def _scored(prepared: Prepared, maps: dict[str, Maps]) -> list[Row]:
    paths = set(prepared.paths())
    rows: list[Row] = []
    for contender, drawn in maps.items():
        for task in prepared.tasks:
            for budget in BUDGETS:
                text = drawn[task.id, budget]
                result = score(task, text, paths=paths, token_count=count_tokens(text))
                name = prepared.repository.name
                rows.append(Row(contender, name, task.kind, task.id, budget, result))
    return rows
