"""Looks for exact text and regular expressions in contents.

The engine is RE2, whose time grows with the length of the text alone, whatever the expression
(Cox, "Regular Expression Matching in the Wild", 2010). By how much, the size that the expression
becomes tells: where the engine's fast way fails, a byte takes up to 20 ns for each of its steps. So
a large expression is given smaller pieces of the text, with a look at the clock before each.
"""

from collections.abc import Iterator

import re2

from toolmesh_codesearch.errors import RegexInvalid, SearchInvalid
from toolmesh_codesearch.time_left import TimeLeft

_MAX_PROGRAM_BYTES = 2**19
# The engine gets no more at a time, in bytes of text by steps of the expression: 0.16 s.
_PIECE_WORK = 2**23
# Pieces overlap by so much, or by their half: a match that is no longer is whole in one of two.
_OVERLAP_BYTES = 2**12
# In UTF-8, at most; in another case a letter may have more bytes than in the one that was given.
_LETTER_BYTES = 4


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
        self._piece_bytes = _PIECE_WORK // self._regex.programsize
        self._overlap_bytes = min(_OVERLAP_BYTES, self._piece_bytes // 2)
        if not is_regex:
            # However long: the letters of a text have no choices that would make it slow.
            self._overlap_bytes = len(text) * _LETTER_BYTES
            self._piece_bytes = max(self._piece_bytes, 2 * self._overlap_bytes)

    def spans(
        self, content: bytes, position: int, time_left: TimeLeft
    ) -> Iterator[tuple[int, int]]:
        """Yield where matches begin and end, from a position on; each begins after the last's end.

        In a thread, an end of the time is noticed within some 0.2 s.

        Raises:
            SearchInvalid: no time is left.
        """
        while True:
            self._check(time_left)
            end = min(position + self._piece_bytes, len(content))
            for span in self._spans_within(content, position, end):
                yield span
                self._check(time_left)
                position = span[1]
            if end == len(content):
                break
            position = max(position, end - self._overlap_bytes)

    def _spans_within(self, content: bytes, position: int, end: int) -> Iterator[tuple[int, int]]:
        if self._literal is None:
            for match in self._regex.finditer(content, position, end):
                yield match.span()
        else:
            while (start := content.find(self._literal, position, end)) >= 0:
                position = start + len(self._literal)
                yield start, position

    def _check(self, time_left: TimeLeft) -> None:
        if time_left.is_over:
            raise SearchInvalid.at(
                "regex" if self._literal is None else "exact_text",
                "it takes too long on so much code; make it simpler, or narrow `include`",
            )


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
