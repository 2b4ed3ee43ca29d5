"""Chooses what of a unit is embedded: what stands for its meaning.

It is chosen when a file is read, and cleaned when it is embedded, which is not waited for.
"""

import re
from collections.abc import Sequence

from toolmesh_codesearch.units import FILE_KIND, SECTION_KIND, Unit

TEXT_VERSION = 5
"""Counted up whenever the same unit gets another text, or a text another embedding.

All that was kept before is made anew then. Another version of the model is noticed without it."""

_MOST_CHARACTERS = 480
_MOST_COMMENT_CHARACTERS = 300
_MOST_BODY_BYTES = 1000
_MARKS = re.compile(r"[#/*\-=~\"'`]{2,}|^\s*[*#](?=\s)", re.MULTILINE)
_JOINTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+|(?<=\w)\.(?=\w)")


def unit_text(unit: Unit, lines: Sequence[bytes], *, alone: bool) -> str:
    """Return the text of a unit for `cleaned`; empty when it has none.

    `alone` tells that the file has no other unit.
    """
    return _chosen(unit, lines, alone=alone).strip()[: 2 * _MOST_CHARACTERS]


def cleaned(text: str) -> str:
    """Return what is embedded: with identifiers split, which the model's vocabulary lacks."""
    plain = _MARKS.sub(" ", text)
    return " ".join(_JOINTS.sub(" ", plain).split())[:_MOST_CHARACTERS]


def _chosen(unit: Unit, lines: Sequence[bytes], *, alone: bool) -> str:
    if unit.kind == FILE_KIND:
        # What is in no symbol is of use when the file has none, or says at its top what it is for.
        return _body(lines, 1, unit.end_line if alone else 20)
    if unit.kind == SECTION_KIND:
        title = f"{unit.scope} > {unit.name}" if unit.scope else unit.name
        return f"{title}: {_body(lines, unit.line + 1, unit.end_line)}"
    # Of a long comment the beginning says what it is about, and the code must have its place.
    comment = ""
    if unit.first_line < unit.line:
        comment = _MARKS.sub(" ", _body(lines, unit.first_line, unit.line - 1)).strip()
        comment = comment[:_MOST_COMMENT_CHARACTERS]
    body = _body(lines, unit.line, unit.end_line)
    return f"{unit.qualified}: {comment} {body}"


def _body(lines: Sequence[bytes], first: int, last: int) -> str:
    """Return the beginning of what is on lines from the first to the last, both included."""
    # Each line is a byte at least, with its break.
    taken = lines[first - 1 : min(last, first + _MOST_BODY_BYTES)]
    return b"\n".join(taken)[:_MOST_BODY_BYTES].decode("utf-8", "replace")
