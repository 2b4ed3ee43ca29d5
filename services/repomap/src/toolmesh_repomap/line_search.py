"""Finds the lines of a file's content that use a name."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

_MOST_TEXT = 160
_BEFORE_NAME = 60
# Comments of `/*` and `*/` that begin a line.
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*.*?(?:\*/|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line, counted from 1, and its text without indentation, cut around the name if long."""

    line: int
    text: str


def lines_with(
    content: bytes,
    name: str,
    *,
    ignore_case: bool,
    definition_lines: Collection[int],
    line_comment: str,
) -> list[FoundLine]:
    """Return the lines with the name as a word of its own.

    Left out are `definition_lines`, unless the name stands there more often than it is defined
    there, and comments on lines of their own.
    """
    pattern = _pattern(name, ignore_case=ignore_case)
    found: list[FoundLine] = []
    definitions = Counter(definition_lines)
    text = content.decode(errors="replace")
    in_comment = _in_comment(text if line_comment == "//" else "")
    number, start, end = 1, 0, -1
    for match in pattern.finditer(text):
        if match.start() < end or in_comment(match.start()):
            continue
        number += text.count("\n", start, match.start())
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start()) % (len(text) + 1)
        line = text[start:end]
        defined = definitions[number]
        if defined and len(pattern.findall(line)) <= defined:
            continue
        if line_comment and line.lstrip().startswith(line_comment):
            continue
        found.append(FoundLine(number, _cut(line, match.start() - start)))
    return found


def _pattern(name: str, *, ignore_case: bool) -> re.Pattern[str]:
    before = r"(?<![\w$])" if re.match(r"[\w$]", name) else ""
    after = r"(?![\w$])" if re.search(r"[\w$]\Z", name) else ""
    return re.compile(before + re.escape(name) + after, re.IGNORECASE if ignore_case else 0)


def _in_comment(text: str) -> Callable[[int], bool]:
    """Return what tells, of places in their order, whether they are in a comment of `/*`."""
    comments = (match.span() for match in _BLOCK_COMMENT.finditer(text))
    start = end = 0

    def tell(place: int) -> bool:
        nonlocal start, end
        while end <= place:
            start, end = next(comments, (sys.maxsize, sys.maxsize))
        return start <= place

    return tell


def _cut(line: str, place: int) -> str:
    stripped = line.strip()
    if len(stripped) <= _MOST_TEXT:
        return stripped
    start = max(place - (len(line) - len(line.lstrip())) - _BEFORE_NAME, 0)
    cut = stripped[start : start + _MOST_TEXT]
    before, after = "…" if start else "", "…" if start + _MOST_TEXT < len(stripped) else ""
    return f"{before}{cut}{after}"
