"""Which files a look-up is about: by path and by language."""

from collections.abc import Sequence

import numpy as np
import pathspec
from numpy.typing import NDArray

from toolmesh_outlines.languages import LANGUAGES
from toolmesh_repomap.corpus import Corpus, language_number
from toolmesh_repomap.errors import FilterInvalid
from toolmesh_repomap.string_table import Ints


class FileFilter:
    """Globs as in `.gitignore` (`*.py` anywhere, `src/**` from the root), and languages by name.

    Raises:
        FilterInvalid: a glob or a language cannot be used; the field is named.
    """

    def __init__(
        self,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        languages: Sequence[str] = (),
    ) -> None:
        self._include = _spec("include", include) if include else None
        self._exclude = _spec("exclude", exclude) if exclude else None
        self._languages = [_number(index, name) for index, name in enumerate(languages)]

    def among(self, corpus: Corpus, rows: Ints) -> NDArray[np.bool_]:
        """Tell of each row whether the file is meant."""
        if self._languages:
            meant = np.isin(corpus.languages[rows], self._languages)
        else:
            meant = np.ones(len(rows), dtype=bool)
        if self._include is None and self._exclude is None:
            return meant
        known: dict[int, bool] = {}
        for place in np.flatnonzero(meant).tolist():
            row = rows.item(place)
            if row not in known:
                known[row] = self._has(corpus.paths[row])
            meant[place] = known[row]
        return meant

    def _has(self, path: str) -> bool:
        if self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)


def _spec(field: str, globs: Sequence[str]) -> pathspec.GitIgnoreSpec:
    for index, glob in enumerate(globs):
        if not glob.strip() or glob.startswith(("#", "!")):
            raise FilterInvalid.at(f"{field}[{index}]", f"{glob!r} is no glob like `src/**`")
        try:
            pathspec.GitIgnoreSpec.from_lines([glob])
        except ValueError as error:
            raise FilterInvalid.at(f"{field}[{index}]", f"{glob!r}: {error}") from error
    return pathspec.GitIgnoreSpec.from_lines(globs)


def _number(index: int, name: str) -> int:
    try:
        return language_number(name.lower())
    except ValueError:
        known = ", ".join(language.name for language in LANGUAGES)
        raise FilterInvalid.at(f"languages[{index}]", f"{name!r} is not one of {known}") from None
