"""Writes a map for LLMs: files and the outlines of what they define."""

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.selection import Shown

_INDENT = "  "


class TextLayout:
    """A map as text: a path, then its definitions with their line numbers, as deep as they lie."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def header(self, row: int) -> str:
        """Return the empty line and the path."""
        return f"\n{self._corpus.paths[row]}:"

    def line(self, definition: int) -> str:
        """Return the line of a definition."""
        columns = self._corpus.columns
        row = int(columns.definition_first.searchsorted(definition, side="right")) - 1
        first, stop = columns.definition_first.item(row), columns.definition_first.item(row + 1)
        width = len(str(columns.definition_line.item(stop - 1)))
        depth = 0
        parent = columns.definition_parent.item(definition)
        while parent >= 0:
            depth += 1
            parent = columns.definition_parent.item(first + parent)
        signature = self._corpus.signature(definition)
        return f"{columns.definition_line.item(definition):>{width}} {_INDENT * depth}{signature}"

    def other(self, row: int) -> str:
        """Return the path."""
        return self._corpus.paths[row]

    def whole(self, shown: Shown) -> str:
        """Return the text, with what it left out in its last line."""
        blocks = [
            "\n".join([f"{self._corpus.paths[row]}:", *map(self.line, definitions)])
            for row, definitions in shown.definitions.items()
        ]
        if shown.other_rows:
            blocks.append("\n".join(map(self.other, shown.other_rows)))
        if blocks and shown.truncated and shown.has_note:
            blocks.append(
                f"Left out: {shown.left_out_definitions} definitions, {shown.left_out_files} files."
            )
        return "\n\n".join(blocks)
