"""Finds the first line of what a comment or a docstring says about a definition.

It looks at lines of text, not at the tree: a comment is the neighbour of what it is about in the
file, and some levels away from it in most trees.
"""

import re

from toolmesh_outlines.languages import Language

MAX_DOC_BYTES = 200

_MAX_LINE_BYTES = 1_000
# How many lines of a comment, and of annotations below it, are looked at.
_MAX_COMMENT_LINES = 200
_MAX_ANNOTATION_LINES = 12

# What stands between a comment and its definition: decorators, attributes, templates, specs.
_ANNOTATION = re.compile(
    rb"\s*(?:(?:@[\w.:]+(?:\(.*\))?\s*)+$|@(?:spec|impl|deprecated|since)\b|#\[.*\]\s*$|\[\w.*\]\s*$"
    rb"|template\s*<.*>\s*$)"
)
_BLOCK_ENDS = (b"*/", b"*)", b"-}", b"]]")
_BLOCK_STARTS = (b"/*", b"(*", b"{-", b"--[")
_MARKS_BEFORE = b" \t\r\f\v/*!#|({<-;"
_MARKS_BEHIND = b" \t\r\f\v*/)}=#-"
_TAGS = re.compile(
    rb"</?(?:summary|remarks|para|param|typeparam|returns|inheritdoc|see|code|pre|ul|li|[pbic])\b[^<>]*>"
)
_LICENCE = re.compile(rb"\bCopyright\b|\bSPDX-|\(c\) \d{4}")
# What tools read, not people.
_DIRECTIVE = re.compile(
    rb"^(?:[@\\]\w|go:|nolint|noqa|type:|eslint|ts-|prettier|tslint|NOLINT|clang-|pylint|pragma"
    rb"|swiftlint|noinspection|region|endregion|frozen_string_literal|encoding:|usr/bin)",
)
_DOCSTRING = re.compile(rb"\s*[rRuUbB]{0,2}(\"\"\"|'''|\"|')")
_ELIXIR_DOC = re.compile(rb"\s*@(?:doc|typedoc)\s+(?:~[sS])?(\"\"\"|\"|false)")
_ELIXIR_MODULE_DOC = re.compile(rb"do\s+@moduledoc\s+(?:~[sS])?(\"\"\"|\")")
_ELIXIR_LOOK_BACK = 60


class DocComments:
    """The comments of one file."""

    def __init__(self, source: bytes, language: Language) -> None:
        self._source = source
        self._lines = source.split(b"\n")
        self._language = language
        mark = language.line_comment.encode()
        # PHP and HCL have both forms.
        both = language.name in {"php", "hcl"}
        self._marks = (b"//", b"#") if both else (mark,) if mark else ()

    def above(self, row: int) -> str:
        """Return what the comment right above a row (from 0) says first, "" if there is none."""
        row = self._above_annotations(row)
        if row < 0:
            return ""
        if self._language.name == "elixir":
            return self._elixir_doc(row)
        line = self._lines[row].strip()
        if line.endswith(_BLOCK_ENDS):
            return self._block(row)
        if line.startswith(self._marks):
            first = row
            while (
                first > 0
                and row - first < _MAX_COMMENT_LINES
                and self._lines[first - 1].lstrip().startswith(self._marks)
            ):
                first -= 1
            return _first_words(self._lines[first : row + 1])
        return ""

    def inside(self, body_start: int) -> str:
        """Return the first line of the docstring that a body begins with, "" if there is none."""
        form = _ELIXIR_MODULE_DOC if self._language.name == "elixir" else _DOCSTRING
        match = form.match(self._source, body_start)
        if match is None:
            return ""
        end = self._source.find(match[1], match.end(), match.end() + 10 * MAX_DOC_BYTES)
        text = self._source[match.end() : end if end >= 0 else match.end() + MAX_DOC_BYTES]
        return _first_words(text.split(b"\n"))

    def below(self, row: int) -> str:
        """Return what the documentation right below a row (from 0) says, as OCaml has it."""
        if row + 1 < len(self._lines) and self._lines[row + 1].lstrip().startswith(b"(**"):
            return _first_words(self._lines[row + 1 : row + 3])
        return ""

    def _above_annotations(self, row: int) -> int:
        row -= 1
        for _ in range(_MAX_ANNOTATION_LINES):
            if row < 0 or not _ANNOTATION.match(self._lines[row]):
                break
            row -= 1
        return row

    def _block(self, row: int) -> str:
        for first in range(row, max(row - _MAX_COMMENT_LINES, -1), -1):
            line = self._lines[first].lstrip()
            if line.startswith(_BLOCK_STARTS):
                return _first_words(self._lines[first : row + 1])
            if any(mark in line for mark in (_BLOCK_STARTS if first == row else _BLOCK_ENDS)):
                break  # code with a comment behind it
        return ""

    def _elixir_doc(self, row: int) -> str:
        if not self._lines[row].strip():
            return ""
        is_inside = self._lines[row].strip() == b'"""'
        for first in range(row, max(row - _ELIXIR_LOOK_BACK, -1), -1):
            if match := _ELIXIR_DOC.match(self._lines[first]):
                lines = [self._lines[first][match.end() :], *self._lines[first + 1 : row + 1]]
                return "" if match[1] == b"false" else _first_words(lines).removesuffix('"')
            if not is_inside:
                break
        return ""


def _first_words(lines: list[bytes]) -> str:
    """Return the first line that says something to people, without comment marks and tags."""
    if any(map(_is_licence, lines[:5])):
        return ""
    for line in lines:
        text = _TAGS.sub(b"", line[:_MAX_LINE_BYTES])
        text = text.lstrip(_MARKS_BEFORE).rstrip(_MARKS_BEHIND)
        if text and not _DIRECTIVE.match(text) and any(byte > 64 for byte in text):
            words = b" ".join(text.split())
            return words[:MAX_DOC_BYTES].decode(errors="ignore")
    return ""


def _is_licence(line: bytes) -> bool:
    # The search alone takes twenty times as long, and hardly a line has one of these.
    may_be = b"Copyright" in line or b"SPDX-" in line or b"(c) " in line
    return may_be and bool(_LICENCE.search(line[:_MAX_LINE_BYTES]))
