"""What a search can find: the symbols of a file, the sections of a document, and whole files."""

import re
from collections.abc import Sequence

import msgspec

from toolmesh_outlines.outline import Definition, Kind, Outline

FILE_KIND = "file"
SECTION_KIND = "section"
KINDS: tuple[str, ...] = (FILE_KIND, SECTION_KIND, *(kind.value for kind in Kind))
"""Every kind that a unit can have; an index stores a kind's place in here."""

_COMMENT = re.compile(rb"\s*(?:#|//|/\*|\*|--|;|%|@|\[)")
_MOST_COMMENT_LINES = 250


class Unit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that can be found.

    `name` is empty for the file itself, `scope` are the names around it, joined by dots. Lines
    count from 1 and `end_line` is the last one; `first_line` is where the comment above begins. A
    file of which there is no line has 0 for all of them.
    """

    name: str
    kind: str
    line: int
    end_line: int
    first_line: int
    scope: str = ""
    signature: str = ""
    doc: str = ""

    @property
    def qualified(self) -> str:
        """The name with the names around it; a section's is its heading alone."""
        return (
            f"{self.scope}.{self.name}" if self.scope and self.kind != SECTION_KIND else self.name
        )


def line_count(lines: Sequence[bytes]) -> int:
    """Return how many lines a text has that was split at its breaks; none is after the last one."""
    return len(lines) if lines[-1] else len(lines) - 1


def file_unit(lines: Sequence[bytes]) -> Unit:
    """Return the unit of a file, which is the first of its units."""
    last = line_count(lines)
    first = min(last, 1)
    return Unit("", FILE_KIND, first, last, first)


def symbol_units(outline: Outline, lines: Sequence[bytes]) -> list[Unit]:
    """Return the units of a file's symbols, in line order."""
    units: list[Unit] = []
    for definition in outline.definitions:
        parent = units[definition.parent] if definition.parent >= 0 else None
        units.append(_symbol(definition, parent, lines))
    return units


def _symbol(definition: Definition, parent: Unit | None, lines: Sequence[bytes]) -> Unit:
    first_line = definition.line
    # Line `n` is `lines[n - 1]`: what stands above a definition is `lines[first_line - 2]`.
    lowest = max(definition.line - _MOST_COMMENT_LINES, 1)
    while first_line > lowest and _COMMENT.match(lines[first_line - 2]):
        first_line -= 1
    return Unit(
        definition.name,
        definition.kind.value,
        definition.line,
        max(definition.end_line, definition.line),
        first_line,
        parent.qualified if parent is not None else "",
        definition.signature,
        definition.doc,
    )
