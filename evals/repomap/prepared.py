"""Trees and tasks, made once and kept in `.bench/`."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from evals.environments import BENCH
from evals.repomap.docstrings import hide_docstrings
from evals.repomap.repositories import Clone, Repository, open_clone
from evals.repomap.tasks import Task, base_and_tasks

# Raised when the making changes.
_VERSION = 1


@dataclass(frozen=True)
class Sample:
    """How many tasks of each kind a repository gives."""

    commits: int
    docstrings: int
    seed: int


@dataclass(frozen=True)
class Prepared:
    """A tree and the tasks about it.

    Attributes:
        folder: where results that can be kept are.
    """

    repository: Repository
    folder: Path
    tasks: tuple[Task, ...]

    @property
    def tree(self) -> Path:
        """The files that maps are drawn of."""
        return self.folder / "tree"

    def paths(self) -> list[str]:
        """The tree's files."""
        files = (file for file in self.tree.rglob("*") if file.is_file())
        return sorted(file.relative_to(self.tree).as_posix() for file in files)


async def prepare(repository: Repository, sample: Sample, *, clones: Path | None) -> Prepared:
    """The tree and tasks of a repository.

    Raises:
        BenchmarkError: the repository cannot be had.
    """
    key = f"{repository.head}-{sample.commits}-{sample.docstrings}-{sample.seed}-v{_VERSION}"
    folder = BENCH / "quality" / f"{repository.name}-{key}"
    file = folder / "tasks.json"
    if not file.exists():
        clone = await open_clone(repository, clones)
        tasks = await _make(clone, sample, folder)
        file.write_bytes(orjson.dumps([asdict(task) for task in tasks]))
    return Prepared(repository, folder, tuple(map(_task, orjson.loads(file.read_bytes()))))


async def _make(clone: Clone, sample: Sample, folder: Path) -> list[Task]:
    shutil.rmtree(folder, ignore_errors=True)
    base, commits = await base_and_tasks(clone, count=sample.commits, seed=sample.seed)
    await clone.unpack(base, folder / "tree")
    hidden = hide_docstrings(folder / "tree", count=sample.docstrings, seed=sample.seed)
    return [*commits, *hidden]


def _task(row: dict[str, str]) -> Task:
    files = tuple(row["files"])
    symbols = tuple((path, name) for path, name in row["symbols"])
    return Task(row["id"], row["kind"], row["text"], files, symbols)
