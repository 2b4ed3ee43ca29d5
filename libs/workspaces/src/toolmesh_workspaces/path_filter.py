"""Chooses files by globs, which are read as in `.gitignore`."""

import re
import warnings
from collections.abc import Sequence

import pathspec
import re2


class GlobInvalidError(ValueError):
    """A glob that cannot be used; `field` is where it stands, for example `include[0]`."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class PathFilter:
    """Globs such as `*.py` anywhere, `src/**` from the root, `tests/` a folder.

    Args:
        include: which paths are meant; empty: all.
        exclude: which of them are not.

    Raises:
        GlobInvalidError: a glob cannot be used.
    """

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _checked("include", include) if include else None
        self._exclude = _checked("exclude", exclude) if exclude else None

    @property
    def has_all(self) -> bool:
        """Whether every path is meant."""
        return self._include is None and self._exclude is None

    def has(self, path: str) -> bool:
        """Tell whether a path, from the root, is meant."""
        if self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)


def compile_globs(globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    """Compile globs with RE2: a glob of many stars would keep Python's own `re` busy for ages.

    Raises:
        ValueError: one cannot be used.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return pathspec.GitIgnoreSpec.from_lines(globs, backend="re2")
    except (re.error, re2.error) as error:
        raise ValueError(str(error)) from error


def _checked(field: str, globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    for index, glob in enumerate(globs):
        place = f"{field}[{index}]"
        if not glob.strip() or glob.startswith(("#", "!")):
            raise GlobInvalidError(place, f"{glob!r} is not a glob such as `*.py` or `src/**`")
        try:
            compile_globs([glob])
        except ValueError as error:
            raise GlobInvalidError(place, f"{glob!r}: {error}") from error
    return compile_globs(globs)
