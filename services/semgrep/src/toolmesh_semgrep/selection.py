"""Which files of a snapshot a scan reads."""

import re
import warnings
from collections.abc import Sequence

import pathspec
import re2

from toolmesh_semgrep.errors import ScanInvalid

IGNORE_FILE = ".semgrepignore"


class Selection:
    """Globs as in `.gitignore`: `*.py` anywhere, `src/**` from the root, `tests/` a folder.

    Args:
        include: what to scan; empty: everything.
        exclude: what to leave out of that.
        ignored: the lines of the workspace's own ignore file.

    Raises:
        ScanInvalid: a glob cannot be used; the field and the glob are named.
    """

    def __init__(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), ignored: str = ""
    ) -> None:
        self._include = _spec("include", include) if include else None
        self._exclude = _spec("exclude", exclude)
        # A line that cannot be used, in a file that happens to be there, is no error of the caller.
        lines = [line for line in ignored.splitlines() if not line.startswith(":include")]
        try:
            self._ignored = _compiled(lines)
        except ValueError:
            self._ignored = _compiled([])

    def has(self, path: str) -> bool:
        """Tell whether the file at the path is scanned."""
        if self._include is not None and not self._include.match_file(path):
            return False
        return not self._exclude.match_file(path) and not self._ignored.match_file(path)


def _spec(field: str, globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    for index, glob in enumerate(globs):
        if not glob.strip() or glob.startswith(("#", "!")):
            raise ScanInvalid.at(
                f"{field}[{index}]", f"{glob!r} is not a glob such as `*.py` or `src/**`"
            )
        try:
            _compiled([glob])
        except ValueError as error:
            raise ScanInvalid.at(f"{field}[{index}]", f"{glob!r}: {error}") from error
    return _compiled(globs)


def _compiled(globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    """Compile globs with RE2: a glob of many stars would keep Python's own `re` busy for ages."""
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return pathspec.GitIgnoreSpec.from_lines(globs, backend="re2")
    except (re.error, re2.error) as error:
        raise ValueError(str(error)) from error
