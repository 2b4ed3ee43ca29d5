"""Writes a map for LLMs: files and the outlines of what they define."""

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.selection import Shown

_INDENT = "  "
# Of some 150 bytes each.
_MOST_LINES = 20_000


class TextLayout:
    """A map as text: a path, then its definitions with their line numbers, as deep as they lie.

    Lines are remembered for other maps of the same corpus, some tens of thousands of them.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lines: dict[int, str] = {}
        self._widths: dict[int, int] = {}
        self.line_costs: dict[int, int] = {}
        self.header_costs: dict[int, int] = {}

    def header(self, row: int) -> str:
        """Return the path; the empty line above it costs nothing, as newlines in a row are one."""
        return f"{self._corpus.paths[row]}:"

    def line(self, definition: int) -> str:
        """Return the line of a definition."""
        line = self._lines.get(definition)
        if line is None:
            if len(self._lines) >= _MOST_LINES:
                self._lines.clear()
                self.line_costs.clear()
            line = self._lines[definition] = self._line(definition)
        return line

    def _line(self, definition: int) -> str:
        corpus, columns = self._corpus, self._corpus.columns
        indent = _INDENT * len(corpus.around(definition))
        width = self._width(corpus.row_of(definition))
        line = columns.definition_line.item(definition)
        return f"{line:>{width}} {indent}{corpus.signature(definition)}"

    def _width(self, row: int) -> int:
        """Return how many digits the numbers of a file's lines have."""
        width = self._widths.get(row)
        if width is None:
            columns = self._corpus.columns
            last = columns.definition_first.item(row + 1) - 1
            width = self._widths[row] = len(str(columns.definition_line.item(last)))
        return width

    def other(self, row: int) -> str:
        """Return the path."""
        return self._corpus.paths[row]

    def whole(self, shown: Shown) -> str:
        """Return the text, with what it left out in its last line."""
        blocks = [
            "\n".join([self.header(row), *map(self.line, definitions)])
            for row, definitions in shown.definitions.items()
        ]
        if shown.other_rows:
            blocks.append("\n".join(map(self.other, shown.other_rows)))
        if blocks and shown.truncated and shown.has_note:
            blocks.append(
                f"Left out: {shown.left_out_definitions} definitions, {shown.left_out_files} files."
            )
        return "\n\n".join(blocks)
