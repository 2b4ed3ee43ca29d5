"""What the outlines of a snapshot say, as columns: some 110 bytes a definition and 8 a use.

A file is a row. What belongs to rows stands in columns, row after row: the definitions of row r at
`definition_first[r]:definition_first[r + 1]`, its uses and imports likewise. Names are numbers in
`symbols`, where a name has one number for each family of languages that has it (`symbol_text`).

To look things up (`IndexKeeper.index` gives a snapshot's index, which has `corpus` and `graph`):

- `corpus.symbols_named("open")` gives the symbols of a name;
- `graph.places_of(symbol)` (reference_graph.py) the places, file by file, that define it, and
  `np.flatnonzero(corpus.columns.definition_symbol == symbol)` all its definitions;
- `np.flatnonzero(corpus.columns.use_symbol == symbol)` its uses: one a file, for uses as a member
  and for those that stand alone each, with their count; `corpus.use_rows(uses)` their files;
- `corpus.definition_rows(definitions)` the files of definitions.

A column over a million uses is scanned in a millisecond, so there is no inverted index to keep.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from toolmesh_outlines.languages import LANGUAGES, language_named
from toolmesh_outlines.outline import Kind
from toolmesh_repomap.string_table import Ints, StringTable

KINDS = tuple(Kind)
"""Kinds by their number in `definition_kind`."""


@dataclass(frozen=True, eq=False)
class Columns:
    """What belongs to rows; all but the `first` columns can be cut and joined.

    `definition_parent` is the number of the enclosing definition among the row's, -1 for none. The
    signature of definition d is `signatures[signature_first[d]:signature_first[d + 1]]`, in UTF-8;
    `doc_word` has the telling words of what a comment says about it, numbers in `words`, likewise.
    `use_member` tells the uses as a member of something. `path_word` are the words of the path.
    """

    definition_first: Ints
    definition_symbol: Ints
    definition_kind: Ints
    definition_line: Ints
    definition_end_line: Ints
    definition_parent: Ints
    signature_first: Ints
    signatures: NDArray[np.uint8]
    doc_word_first: Ints
    doc_word: Ints
    use_first: Ints
    use_symbol: Ints
    use_count: Ints
    use_member: NDArray[np.bool_]
    import_first: Ints
    import_path: Ints
    path_word_first: Ints
    path_word: Ints

    @cached_property
    def definition_row(self) -> Ints:
        """The row of each definition."""
        counts = np.diff(self.definition_first)
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    @cached_property
    def definition_outer(self) -> Ints:
        """The definition that each stands in, among all of them; -1 for none."""
        first = self.definition_first[self.definition_row]
        outer = np.where(self.definition_parent >= 0, self.definition_parent + first, -1)
        return outer.astype(np.int32)


UNREAD = bytes(32)
"""In the place of a digest: that of a content which is to be read again."""


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """All files of a snapshot but its links, and what their outlines say.

    `languages` are numbers from `language_number`, 0 for none. `skipped` gives the reason for each
    row that could not be read as code; when that may be otherwise another time, its digest is
    `UNREAD`, which no content has. `import_paths` has what imports say, as outlines write it.
    `symbol_form` is `form_weight` of each symbol's name (words.py). The words of symbol s are
    `symbol_word[symbol_word_first[s]:symbol_word_first[s + 1]]`, numbers in `words`.
    """

    paths: tuple[str, ...]
    digests: tuple[bytes, ...]
    sizes: Ints
    languages: NDArray[np.uint8]
    roles: NDArray[np.uint8]
    skipped: dict[int, str]
    columns: Columns
    symbols: StringTable
    import_paths: StringTable
    words: StringTable
    symbol_form: NDArray[np.float32]
    symbol_word_first: Ints
    symbol_word: Ints

    @property
    def is_lasting(self) -> bool:
        """Whether nothing is to be read again."""
        return all(self.digests[row] != UNREAD for row in self.skipped)

    @property
    def file_count(self) -> int:
        """How many rows there are."""
        return len(self.paths)

    def symbols_named(self, *names: str) -> list[int]:
        """Return the symbols of names: of each, one for each family of languages that has it."""
        marks = self._marks()
        found = (self.symbols.find(mark + name) for name in names for mark in marks)
        return [symbol for symbol in found if symbol >= 0]

    def _marks(self) -> list[str]:
        """Return what stands before the names of the families of languages that there are."""
        numbers = np.flatnonzero(np.bincount(self.languages)).tolist()
        families = {language_named(language_name(number)).family for number in numbers if number}
        return sorted(_family_marks()[family] for family in families)

    def name(self, symbol: int) -> str:
        """Return the name of a symbol."""
        return self.symbols.text(symbol)[1:]

    def signature(self, definition: int) -> str:
        """Return the signature of a definition."""
        first = self.columns.signature_first
        span = self.columns.signatures[first.item(definition) : first.item(definition + 1)]
        return span.tobytes().decode()

    def row_of(self, definition: int) -> int:
        """Return the row of a definition."""
        return self.columns.definition_row.item(definition)

    def around(self, definition: int) -> list[int]:
        """Return the definitions that one stands in, the innermost first."""
        outer_of = self.columns.definition_outer
        around: list[int] = []
        while (definition := outer_of.item(definition)) >= 0:
            around.append(definition)
        return around

    def container(self, definition: int) -> str:
        """Return the names of the definitions that one stands in, with dots between them."""
        symbols = self.columns.definition_symbol
        around = (symbols.item(outer) for outer in reversed(self.around(definition)))
        return ".".join(map(self.name, around))

    def definition_rows(self, definitions: Ints) -> Ints:
        """Return the row of each definition."""
        return self.columns.definition_row[definitions]

    def use_rows(self, uses: Ints) -> Ints:
        """Return the row of each use."""
        return np.searchsorted(self.columns.use_first, uses, side="right") - 1


def symbol_text(family: str, name: str) -> str:
    """Return what `Corpus.symbols` has for a name of a family of languages."""
    return _family_marks()[family] + name


def language_number(name: str) -> int:
    """Return the number of a language, 0 for no language."""
    return _language_names().index(name)


def language_name(number: int) -> str:
    """Return the language of that number, an empty string for 0."""
    return _language_names()[number]


@cache
def _language_names() -> tuple[str, ...]:
    return ("", *(language.name for language in LANGUAGES))


@cache
def _family_marks() -> dict[str, str]:
    """Return the character that stands before the names of each family's symbols."""
    families = sorted({language.family for language in LANGUAGES})
    return {family: chr(ord("!") + index) for index, family in enumerate(families)}
