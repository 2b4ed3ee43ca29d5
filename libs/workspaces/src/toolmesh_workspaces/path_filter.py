"""Chooses files by globs, which are read as in `.gitignore`."""

import re
import time
import warnings
from collections.abc import Sequence

import pathspec
import re2

# Of all globs of a filter: they compile within some 50 ms, and 100 of 80 plain characters fit. A
# wildcard becomes several times as much program as another character, and counts so.
_MOST_SIZE = 2**13
_WILDCARD = re.compile(r"[*?\[]")
_WILDCARD_SIZE = 4
# They match nothing; who writes them means something else.
_NO_GLOBS = frozenset({"", ".", "/", "./"})
# It matches itself alone.
_OPEN_SET = re.compile(r"(?<!\\)\[(?!.[^\]]*\])")
# How much processor time matching may take in all. 100 ordinary globs take 5 to 10 microseconds a
# path. Far fewer can be so made that the engine needs a new state for each character of a path:
# what a glob costs cannot be read off it.
_FREE_SECONDS = 0.5
_SECONDS_PER_PATH = 50e-6


class GlobInvalidError(ValueError):
    """A glob that cannot be used; `field` is where it stands, for example `include[0]`."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class _TimeAllowance:
    """The processor time that matching the globs of a field may take, which grows with the paths.

    Used as a context around each match.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._left = _FREE_SECONDS
        self._begin = 0.0

    def __enter__(self) -> None:
        self._begin = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._left += _SECONDS_PER_PATH - (time.thread_time() - self._begin)
        if self._left < 0:
            raise GlobInvalidError(
                self._field,
                "it takes too long on so many paths: use fewer globs, with fewer `*` and `?`",
            )


class IgnoredPaths:
    """The lines of an ignore file; one that cannot be used is left out, alone."""

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self._parts = _usable(lines)
        self._allowance = _TimeAllowance(name)

    def has(self, path: str) -> bool:
        """Tell whether a path, from the root, is ignored.

        Raises:
            GlobInvalidError: over 0.5 s of processor time, and 50 µs a path, were needed.
        """
        with self._allowance:
            for globs in reversed(self._parts):
                # As in one list of globs, the last that says something decides.
                is_ignored = globs.check_file(path).include
                if is_ignored is not None:
                    return is_ignored
            return False


class _Globs:
    """The compiled globs of a field."""

    def __init__(self, field: str, globs: Sequence[str]) -> None:
        self._spec = _compiled(field, globs)
        self._allowance = _TimeAllowance(field)

    def match(self, path: str) -> bool:
        with self._allowance:
            return self._spec.match_file(path)


class PathFilter:
    """Globs such as `*.py` anywhere, `src/**` from the root, `tests/` a folder.

    Args:
        include: which paths are meant; empty: all.
        exclude: which of them are not.

    Raises:
        GlobInvalidError: a glob cannot be used, or they are too large together.
    """

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        _check(include=include, exclude=exclude)
        include, exclude = _from_root(include), _from_root(exclude)
        self._include = _Globs("include", include) if include else None
        self._exclude = _Globs("exclude", exclude) if exclude else None

    @property
    def has_all(self) -> bool:
        """Whether every path is meant."""
        return self._include is None and self._exclude is None

    def has(self, path: str) -> bool:
        """Tell whether a path, from the root, is meant.

        Raises:
            GlobInvalidError: over 0.5 s of processor time, and 50 µs a path, were needed.
        """
        if self._include is not None and not self._include.match(path):
            return False
        return self._exclude is None or not self._exclude.match(path)


def _check(**fields: Sequence[str]) -> None:
    size = 0
    for field, globs in fields.items():
        for index, glob in enumerate(globs):
            place = f"{field}[{index}]"
            if glob.strip() in _NO_GLOBS or glob.startswith(("#", "!")):
                raise GlobInvalidError(place, f"{glob!r} is not a glob such as `*.py` or `src/**`")
            if _OPEN_SET.search(glob):
                raise GlobInvalidError(place, f"{glob!r} has a `[` without its `]`")
            size += len(glob) + (_WILDCARD_SIZE - 1) * len(_WILDCARD.findall(glob))
            if size > _MOST_SIZE:
                raise GlobInvalidError(
                    place,
                    f"up to here, the globs have more than {_MOST_SIZE:,} characters, of which"
                    f" each `*`, `?` and `[` counts as {_WILDCARD_SIZE}: use fewer or shorter ones",
                )


def _from_root(globs: Sequence[str]) -> list[str]:
    """Return globs with `./` as the root, as shells have it; to Git it is a folder of that name."""
    return [glob[1:] if glob.startswith("./") else glob for glob in globs]


def _compiled(field: str, globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    try:
        return _compile(globs)
    except ValueError as error:
        for index, glob in enumerate(globs):
            try:
                _compile([glob])
            except ValueError as cause:
                raise GlobInvalidError(f"{field}[{index}]", f"{glob!r}: {cause}") from cause
        why = f"the globs cannot be used together, use fewer or shorter ones: {error}"
        raise GlobInvalidError(field, why) from error


def _compile(globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    """Compile globs with RE2: a glob of many stars would keep Python's own `re` busy for ages."""
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return pathspec.GitIgnoreSpec.from_lines(globs, backend="re2")
    except (re.error, re2.error) as error:
        raise ValueError(str(error)) from error


def _usable(lines: Sequence[str]) -> list[pathspec.GitIgnoreSpec]:
    """Compile lines in as few parts as can be: one may be bad, or they may be too many."""
    if not lines:
        return []
    try:
        return [_compile(lines)]
    except ValueError:
        if len(lines) == 1:
            return []
        middle = len(lines) // 2
        return [*_usable(lines[:middle]), *_usable(lines[middle:])]
