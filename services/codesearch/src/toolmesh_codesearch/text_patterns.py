"""Looks for exact text and regular expressions in contents.

The engine is RE2, whose time grows with the length of the text alone, whatever the expression
(Cox, "Regular Expression Matching in the Wild", 2010). By how much is bounded by the size that an
expression may become. Contents are looked through in pieces of whole lines, with a look at the
clock after each.
"""

import time
from collections.abc import Iterator

import re2

from toolmesh_codesearch.errors import RegexInvalid, SearchInvalid

_MAX_PROGRAM_BYTES = 2**19
_PIECE_BYTES = 2**16
_MOST_LINES_PER_FILE = 200


class TextPattern:
    """What is looked for: text to the letter, or a regular expression.

    Raises:
        RegexInvalid: the expression cannot be used.
    """

    def __init__(self, text: str, *, is_regex: bool, ignore_case: bool) -> None:
        self._literal = None if is_regex or ignore_case else text.encode()
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.never_capture = True
        options.log_errors = False
        options.max_mem = _MAX_PROGRAM_BYTES
        pattern = f"(?m){text}" if is_regex else re2.escape(text)
        try:
            self._regex = re2.compile(pattern.encode(), options)
        except re2.error as error:
            raise _invalid(text, error) from error
        if is_regex and self._regex.search(b"") is not None:
            raise RegexInvalid.at(1, "it matches the empty text, so that every line would be found")

    def lines_of(self, content: bytes, *, deadline: float) -> list[int]:
        """Return the lines that matches begin on, from 1, each once; at most 200 of them.

        Raises:
            SearchInvalid: `time.monotonic()` is past the deadline.
        """
        lines: list[int] = []
        counted, line = 0, 1
        for start in self._starts(content, deadline):
            line += content.count(b"\n", counted, start)
            counted = start
            if not lines or lines[-1] != line:
                lines.append(line)
                if len(lines) == _MOST_LINES_PER_FILE:
                    break
        return lines

    def _starts(self, content: bytes, deadline: float) -> Iterator[int]:
        for begin, piece in _pieces(content):
            if time.monotonic() > deadline:
                raise SearchInvalid.at(
                    "regex" if self._literal is None else "exact_text",
                    "it takes too long on so much code; make it simpler, or narrow `include`",
                )
            if self._literal is None:
                for match in self._regex.finditer(piece):
                    yield begin + match.start()
            else:
                start = piece.find(self._literal)
                while start >= 0:
                    yield begin + start
                    start = piece.find(self._literal, start + len(self._literal))


def _pieces(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield pieces of whole lines, where there are line ends, and where each begins."""
    begin = 0
    while len(content) - begin > _PIECE_BYTES:
        end = content.rfind(b"\n", begin, begin + _PIECE_BYTES) + 1 or begin + _PIECE_BYTES
        yield begin, content[begin:end]
        begin = end
    yield begin, content[begin:]


def _invalid(text: str, error: Exception) -> RegexInvalid:
    said = error.args[0] if error.args else b""
    message = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    why, _, fragment = message.partition(": ")
    fragment = fragment.removeprefix("(?m)")
    if why.startswith("missing )"):
        return RegexInvalid.at(_unclosed(text), "a group is not closed")
    if why == "pattern too large - compile failed":
        return RegexInvalid.at(1, "it becomes too large; use fewer or smaller repetitions")
    position = max(text.find(fragment), 0) + 1
    return RegexInvalid.at(position, f"{why}: {fragment}" if 0 < len(fragment) < 40 else why)


def _unclosed(text: str) -> int:
    """Return where the last group begins that is not closed; escapes and sets are skipped."""
    opened: list[int] = []
    in_set = False
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif in_set:
            in_set = character != "]"
        elif character == "[":
            in_set = True
        elif character == "(":
            opened.append(position)
        elif character == ")" and opened:
            opened.pop()
        position += 1
    return opened[-1] + 1 if opened else max(len(text), 1)
