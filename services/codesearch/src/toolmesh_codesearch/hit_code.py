"""Cuts the code of hits to a budget of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolmesh_codesearch.units import Unit

# A line that is longer is cut: it is data, or minified.
_MOST_LINE_CHARACTERS = 400
_MOST_LINES = 400
# Lines shown before the first match, when not all of the code can be.
_LEAD_LINES = 2


@dataclass(frozen=True, slots=True)
class HitCode:
    """Code of a hit: lines from `start_line` on; `truncated` when some are missing or cut."""

    lines: Sequence[str]
    start_line: int
    truncated: bool

    @property
    def text(self) -> str:
        """The code, without a line break at its end."""
        return "\n".join(self.lines)

    def shortened(self, line_count: int) -> "HitCode":
        """Return its first lines."""
        if line_count >= len(self.lines):
            return self
        return HitCode(self.lines[:line_count], self.start_line, truncated=True)


def code_of(unit: Unit, content: bytes, matched_lines: Sequence[int]) -> HitCode:
    """Return the code of a unit with the comment above it; a long one from its first match on."""
    # What comes after the unit stays in one piece.
    lines = content.split(b"\n", unit.end_line)
    if len(lines) <= unit.end_line and not lines[-1]:
        lines.pop()
    first, last = unit.first_line, min(unit.end_line, len(lines))
    start = first
    if matched_lines and last - first >= _MOST_LINES // 10:
        start = max(first, matched_lines[0] - _LEAD_LINES)
    end = min(last, start + _MOST_LINES - 1)
    whole = [line.decode("utf-8", "replace").rstrip("\r") for line in lines[start - 1 : end]]
    shown = [_cut(line) for line in whole]
    return HitCode(shown, start, truncated=start > first or end < last or shown != whole)


def shares(sizes: Sequence[int], budget: int) -> list[int]:
    """Divide a budget among things of some sizes: the small ones whole, the rest alike."""
    given = [0] * len(sizes)
    left = max(budget, 0)
    for rank, place in enumerate(sorted(range(len(sizes)), key=lambda place: sizes[place])):
        given[place] = min(sizes[place], left // (len(sizes) - rank))
        left -= given[place]
    return given


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_LINE_CHARACTERS else line[:_MOST_LINE_CHARACTERS] + "…"
