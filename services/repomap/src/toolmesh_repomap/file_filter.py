"""Which files a look-up is about: by path and by language."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toolmesh_outlines.languages import LANGUAGES
from toolmesh_repomap.corpus import Corpus, language_number
from toolmesh_repomap.errors import FilterInvalid
from toolmesh_repomap.string_table import Ints
from toolmesh_serving.unknown_names import no_such
from toolmesh_workspaces.path_filter import GlobInvalidError, PathFilter


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
        try:
            self._paths = PathFilter(include=include, exclude=exclude)
        except GlobInvalidError as error:
            raise FilterInvalid.at(error.field, str(error)) from error
        self._languages = [_number(index, name) for index, name in enumerate(languages)]

    def among(self, corpus: Corpus, rows: Ints) -> NDArray[np.bool_]:
        """Tell of each row whether the file is meant.

        Raises:
            FilterInvalid: the globs take too long on so many paths.
        """
        if self._languages:
            meant = np.isin(corpus.languages[rows], self._languages)
        else:
            meant = np.ones(len(rows), dtype=bool)
        if self._paths.has_all:
            return meant
        known: dict[int, bool] = {}
        for place in np.flatnonzero(meant).tolist():
            row = rows.item(place)
            if row not in known:
                known[row] = self._has(corpus.paths[row])
            meant[place] = known[row]
        return meant

    def _has(self, path: str) -> bool:
        try:
            return self._paths.has(path)
        except GlobInvalidError as error:
            raise FilterInvalid.at(error.field, str(error)) from error


def _number(index: int, name: str) -> int:
    try:
        return language_number(name.lower())
    except ValueError:
        known = [language.name for language in LANGUAGES]
        why = no_such("language", name, known)
        raise FilterInvalid.at(f"languages[{index}]", why) from None
