"""What is pushed to be searched for time: a tree of some 10,000 symbols, and one of 100,000."""

from evals.codesearch.packages import PACKAGES, Searched
from evals.codesearch.queries import read_queries
from evals.codesearch.speed import Tree

SMALL, LARGE = "django", "go"
NAMES = (SMALL, LARGE)
_SMALL_FILES = 1000
# Two of five files of Go's sources: all of them have 290,000 symbols.
_LARGE_SHARE = 2, 5


async def open_tree(name: str) -> Tree:
    """A tree by its name; its questions are those of the evaluation.

    Raises:
        BenchmarkError: its package cannot be had.
    """
    questions = [query.query for query in read_queries()]
    files = await _package(name).files()
    if name == SMALL:
        # Code first: what comes after it are templates and translations.
        chosen = sorted(files, key=lambda path: (not path.endswith(".py"), path))[:_SMALL_FILES]
        files = {path: files[path] for path in chosen}
    else:
        taken, of = _LARGE_SHARE
        chosen = [path for place, path in enumerate(sorted(files)) if place % of < taken]
        files = {path: files[path] for path in chosen}
    return Tree(name, files, questions)


def _package(name: str) -> Searched:
    """The whole of a package that is searched, or of whose folders some are."""
    searched = next(each for each in PACKAGES if each.package.name == name)
    return Searched(name, searched.language, searched.half, searched.package)
