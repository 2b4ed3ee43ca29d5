"""Takes documents apart at their headings."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from toolmesh_codesearch.units import SECTION_KIND, Unit, line_count

_MARKDOWN, _RESTRUCTURED = "markdown", "restructuredtext"
_LANGUAGES = {
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".mdx": _MARKDOWN,
    ".rst": _RESTRUCTURED,
}
DOCUMENT_LANGUAGES = frozenset(_LANGUAGES.values())
_MOST_SECTIONS = 2000
_MOST_HEADING_CHARACTERS = 200
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r"([=\-~^\"'`*+#:._])\1{2,}[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def document_language(path: str) -> str:
    """Return the language of a document; empty for a file that is none."""
    return _LANGUAGES.get(PurePosixPath(path).suffix.lower(), "")


def section_units(language: str, lines: Sequence[bytes]) -> list[Unit]:
    """Return the units of a document's sections, each up to the next heading of any level."""
    texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
    markdown = language == _MARKDOWN
    headings = (_markdown_headings(texts) if markdown else _underlined(texts))[:_MOST_SECTIONS]
    if not headings:
        return []
    ends = [line - 1 for line, _, _ in headings[1:]] + [line_count(lines)]
    units: list[Unit] = []
    around: list[tuple[int, str]] = []
    for (line, level, title), end in zip(headings, ends, strict=True):
        while around and around[-1][0] >= level:
            around.pop()
        scope = " > ".join(text for _, text in around)
        units.append(Unit(title, SECTION_KIND, line, max(end, line), line, scope))
        around.append((level, title))
    return units


def _markdown_headings(texts: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return line, level and title of each heading outside of fenced code."""
    found: list[tuple[int, int, str]] = []
    fence = ""
    for number, text in enumerate(texts, start=1):
        if mark := _FENCE.match(text):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif fence:
            continue
        elif (heading := _HEADING.match(text[:_MOST_HEADING_CHARACTERS])) and heading[2]:
            found.append((number, len(heading[1]), heading[2]))
    return found


def _underlined(texts: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return line, level and title of each title with a line of one character below it."""
    found: list[tuple[int, int, str]] = []
    levels: dict[str, int] = {}
    for number in range(1, len(texts)):
        title, below = texts[number - 1].rstrip(), texts[number]
        if not title or title[0].isspace() or len(title) > _MOST_HEADING_CHARACTERS:
            continue
        mark = _UNDERLINE.match(below[: _MOST_HEADING_CHARACTERS + 100])
        if mark and len(below.rstrip()) >= len(title) and not _UNDERLINE.match(title):
            level = levels.setdefault(mark[1], len(levels) + 1)
            found.append((number, level, title))
    return found
