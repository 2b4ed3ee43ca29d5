"""Gives a map as data: files and what they define, with ranks and counts of references.

Its budget is that of the same data as compact JSON, which is what an LLM gets to read.
"""

import msgspec

from toolmesh_repomap.corpus import KINDS, language_name
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.paths import Role
from toolmesh_repomap.ranking import Ranking
from toolmesh_repomap.selection import Shown

_DIGITS = 4


class MapSymbol(msgspec.Struct, frozen=True, rename="camel"):
    """A definition; `container` are the names around it, with dots between them."""

    name: str
    kind: str
    container: str
    signature: str
    start_line: int
    end_line: int
    rank: float
    used_by_file_count: int


class MapFile(msgspec.Struct, frozen=True, rename="camel"):
    """A file with those of its definitions that the map shows."""

    path: str
    language: str
    role: str
    rank: float
    used_by_file_count: int
    uses_file_count: int
    symbols: tuple[MapSymbol, ...]


class StructuredLayout:
    """A map as data; ranks are parts of the highest one."""

    def __init__(self, index: SnapshotIndex, ranking: Ranking) -> None:
        self._index = index
        self._ranking = ranking
        self._highest_file = ranking.files.max(initial=0)
        self._highest_definition = ranking.definitions.max(initial=0)
        self.line_costs: dict[int, int] = {}
        self.header_costs: dict[int, int] = {}

    def header(self, row: int) -> str:
        """Return a file without definitions, as JSON."""
        return _json(self._file(row, ()))

    def line(self, definition: int) -> str:
        """Return a definition as JSON."""
        return _json(self._symbol(definition))

    def other(self, row: int) -> str:
        """Return a file without definitions, as JSON."""
        return self.header(row)

    def whole(self, shown: Shown) -> str:
        """Return all files as JSON; an empty string when there are none."""
        files = self.files(shown)
        return _json(files) if files else ""

    def files(self, shown: Shown) -> list[MapFile]:
        """Return the files that a map shows."""
        files = [
            self._file(row, tuple(map(self._symbol, definitions)))
            for row, definitions in shown.definitions.items()
        ]
        return files + [self._file(row, ()) for row in shown.other_rows]

    def _file(self, row: int, symbols: tuple[MapSymbol, ...]) -> MapFile:
        corpus, counts = self._index.corpus, self._index.file_links
        return MapFile(
            path=corpus.paths[row],
            language=language_name(corpus.languages.item(row)),
            role=f"FILE_ROLE_{Role(corpus.roles.item(row)).name}",
            rank=_part(self._ranking.files.item(row), self._highest_file),
            used_by_file_count=counts.used_by.item(row),
            uses_file_count=counts.uses.item(row),
            symbols=symbols,
        )

    def _symbol(self, definition: int) -> MapSymbol:
        corpus, columns = self._index.corpus, self._index.corpus.columns
        place = self._index.graph.definition_places.item(definition)
        score = self._ranking.definitions.item(definition)
        return MapSymbol(
            name=corpus.name(columns.definition_symbol.item(definition)),
            kind=KINDS[columns.definition_kind.item(definition)],
            container=corpus.container(definition),
            signature=corpus.signature(definition),
            start_line=columns.definition_line.item(definition),
            end_line=columns.definition_end_line.item(definition),
            rank=_part(score, self._highest_definition),
            used_by_file_count=self._index.place_users.item(place) if place >= 0 else 0,
        )


def _part(score: float, highest: float) -> float:
    return round(score / float(highest), _DIGITS) if highest > 0 else 0.0


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
