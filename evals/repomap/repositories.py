"""The repositories that the quality of maps is measured on; none of them is ours.

They are split in two halves: weights may be tuned on the one, and the other is only looked at to
report.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.environments import BENCH, run
from evals.processes import BenchmarkError
from evals.repomap.archives import unpack

TUNING = "tuning"
HELD_OUT = "held-out"
HALVES = (TUNING, HELD_OUT)


@dataclass(frozen=True)
class Repository:
    """A public repository with its history.

    Attributes:
        head: the newest commit that is looked at, so that a later clone gives the same tasks.
    """

    name: str
    language: str
    url: str
    head: str
    half: str


REPOSITORIES = (
    Repository("pytest", "Python", "https://github.com/pytest-dev/pytest", "df87db7b0", TUNING),
    Repository("hugo", "Go", "https://github.com/gohugoio/hugo", "7b5199fde", TUNING),
    Repository("vue", "TypeScript", "https://github.com/vuejs/core", "e2bede961", TUNING),
    Repository("tokio", "Rust", "https://github.com/tokio-rs/tokio", "ea91b33ca", TUNING),
    Repository("gson", "Java", "https://github.com/google/gson", "9835b6f90", TUNING),
    Repository("scrapy", "Python", "https://github.com/scrapy/scrapy", "11079cb1c", HELD_OUT),
    Repository("terraform", "Go", "https://github.com/hashicorp/terraform", "883c7221ee", HELD_OUT),
    Repository("vite", "TypeScript", "https://github.com/vitejs/vite", "a98c8d95d5", HELD_OUT),
    Repository("cargo", "Rust", "https://github.com/rust-lang/cargo", "af373f761", HELD_OUT),
    Repository("redis", "C", "https://github.com/redis/redis", "4f8cdc2a1", HELD_OUT),
)


@dataclass(frozen=True)
class Clone:
    """A clone on this machine, bare or not."""

    repository: Repository
    folder: Path

    async def git(self, *arguments: str) -> str:
        """What git prints.

        Raises:
            BenchmarkError: it fails.
        """
        return await run("git", "-C", self.folder, *arguments)

    async def unpack(self, commit: str, into: Path) -> None:
        """Writes the files of a commit to a new folder."""
        with TemporaryDirectory() as scratch:
            archive = Path(scratch) / "tree.tar"
            await self.git("archive", "--format=tar", f"--output={archive}", commit)
            await asyncio.to_thread(unpack, archive, into)


async def open_clone(repository: Repository, clones: Path | None) -> Clone:
    """The clone called `<name>` in `clones`, or one that is made in `.bench/`.

    Raises:
        BenchmarkError: it cannot be cloned, or lacks the commit.
    """
    folder = (clones or BENCH / "clones") / repository.name
    if not folder.exists():
        if clones is not None:
            raise BenchmarkError(f"{folder} is missing: a clone of {repository.url}")
        await run("git", "clone", "--quiet", "--bare", repository.url, folder)
    clone = Clone(repository, folder)
    await clone.git("cat-file", "-e", f"{repository.head}^{{commit}}")
    return clone
