"""Which units of a snapshot a search looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.columns import Columns
from toolmesh_codesearch.errors import LanguageUnknown, SearchInvalid
from toolmesh_codesearch.sections import DOCUMENT_LANGUAGES
from toolmesh_codesearch.units import KINDS
from toolmesh_outlines.languages import LANGUAGES
from toolmesh_workspaces.path_filter import GlobInvalidError, PathFilter

_KNOWN_LANGUAGES = sorted({language.name for language in LANGUAGES} | DOCUMENT_LANGUAGES)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Filters:
    """Globs as in `.gitignore`, names of languages, kinds of units; empty ones let all through."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    languages: Sequence[str] = ()
    kinds: Sequence[str] = ()


class Selection:
    """Checked filters.

    Raises:
        SearchInvalid: a glob cannot be used; the field and the glob are named.
        LanguageUnknown: a language is not known; those that are, are named.
    """

    def __init__(self, filters: Filters) -> None:
        try:
            self._paths = PathFilter(include=filters.include, exclude=filters.exclude)
        except GlobInvalidError as error:
            raise SearchInvalid.at(error.field, str(error)) from error
        self._languages = frozenset(name.lower() for name in filters.languages)
        for index, name in enumerate(filters.languages):
            if name.lower() not in _KNOWN_LANGUAGES:
                raise LanguageUnknown.at(f"languages[{index}]", name, _KNOWN_LANGUAGES)
        self._kinds = [_KIND_NUMBERS[kind] for kind in filters.kinds]

    def mask(self, columns: Columns) -> NDArray[np.bool_] | None:
        """Return which units are looked at; None for all of them.

        Raises:
            SearchInvalid: the globs take too long on so many paths.
        """
        masks: list[NDArray[np.bool_]] = []
        if self._languages or not self._paths.has_all:
            files = np.fromiter(
                (self._has(file.path, file.language) for file in columns.files),
                dtype=np.bool_,
                count=len(columns.files),
            )
            masks.append(files[columns.unit_files])
        if self._kinds:
            masks.append(np.isin(columns.kinds, self._kinds))
        return np.logical_and.reduce(masks) if masks else None

    def _has(self, path: str, language: str) -> bool:
        if self._languages and language not in self._languages:
            return False
        try:
            return self._paths.has(path)
        except GlobInvalidError as error:
            raise SearchInvalid.at(error.field, str(error)) from error
