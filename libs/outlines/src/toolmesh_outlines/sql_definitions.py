"""Finds what SQL creates.

Dialects differ too much for one grammar: on real schemas most files have statements that it cannot
read, and such a statement often takes the next one along. What begins with `CREATE` at the start of
a line is alike in all of them, so definitions are found by that; uses still come from the tree.
"""

import re
from bisect import bisect_left, bisect_right

from toolmesh_outlines.doc_comments import DocComments
from toolmesh_outlines.outline import Definition, Kind

_MAX_NAME_CHARACTERS = 200
_MAX_SIGNATURE_CHARACTERS = 160
# Between a function's name and its body in `$$`.
_MAX_HEADER_CHARACTERS = 2_000
_MAX_BODY_CHARACTERS = 100_000

_KINDS = {
    "TABLE": Kind.STRUCT,
    "VIEW": Kind.STRUCT,
    "FUNCTION": Kind.FUNCTION,
    "PROCEDURE": Kind.FUNCTION,
    "PROC": Kind.FUNCTION,
    "AGGREGATE": Kind.FUNCTION,
    "TYPE": Kind.TYPE,
    "DOMAIN": Kind.TYPE,
    "SEQUENCE": Kind.VARIABLE,
    "SCHEMA": Kind.MODULE,
    "DATABASE": Kind.MODULE,
    "PACKAGE": Kind.MODULE,
    # Nothing calls these by name: properties of the table that they stand on.
    "INDEX": Kind.PROPERTY,
    "TRIGGER": Kind.PROPERTY,
    "POLICY": Kind.PROPERTY,
}
_HEADS = frozenset({Kind.FUNCTION, Kind.PROPERTY, Kind.MODULE, Kind.VARIABLE})

_PART = r'(?:"[^"\n]+"|`[^`\n]+`|\[[^\]\n]+\]|[^\W\d][\w$#]*)'
_CREATE = re.compile(
    r"^[ \t]*(?P<head>CREATE\s+(?:OR\s+(?:REPLACE|ALTER)\s+)?"
    r"(?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED|MATERIALIZED|RECURSIVE|UNIQUE|CLUSTERED"
    r"|NONCLUSTERED|FULLTEXT|SPATIAL|BITMAP|CONSTRAINT|EXTERNAL|FOREIGN|VIRTUAL|EDITIONABLE"
    r"|ALGORITHM\s*=\s*\w+|DEFINER\s*=\s*\S+|SQL\s+SECURITY\s+\w+)\s+)*"
    rf"(?P<what>{'|'.join(_KINDS)})\s+(?:BODY\s+)?(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?:{_PART}\s*\.\s*)*(?P<name>{_PART}))",
    re.IGNORECASE | re.MULTILINE,
)
# `$` stands before a line feed alone, so the carriage return before one is named.
_ENDS = re.compile(r";[ \t]*(?:--[^\n]*|\r)?$|^[ \t]*GO[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_QUOTED_BODY = re.compile(r"\$\w*\$")
_BODY_START = re.compile(r"\s+(?:AS|IS|BEGIN)\b|\(\s*$|;|\$\w*\$", re.IGNORECASE | re.MULTILINE)
_ENUM = re.compile(r"\s+AS\s+ENUM\b|\s*=\s*ENUM\b", re.IGNORECASE)
# Words that follow `CREATE INDEX ON` and the like, where there is no name.
_NO_NAMES = frozenset({"ON", "AS", "IF", "FOR", "FROM"})


def sql_definitions(source: bytes, docs: DocComments) -> tuple[Definition, ...]:
    """Return what the statements of `source` create, in order."""
    text = source.decode()
    newlines = [match.start() for match in re.finditer("\n", text)]
    ends = [match.start() for match in _ENDS.finditer(text)]
    definitions: list[Definition] = []
    position = 0
    while match := _CREATE.search(text, position):
        position = match.end()
        name = match["name"].strip('"`[]')
        if name.upper() in _NO_NAMES or len(name) > _MAX_NAME_CHARACTERS:
            continue
        end = _end_of(text, position, ends)
        kind = _KINDS[match["what"].upper()]
        line = bisect_right(newlines, match.start("head") - 1) + 1
        definitions.append(
            Definition(
                name=name,
                kind=Kind.ENUM if kind is Kind.TYPE and _ENUM.match(text, position) else kind,
                line=line,
                end_line=bisect_right(newlines, end - 1) + 1,
                signature=_signature(
                    text[match.start("head") : min(end, position + _MAX_HEADER_CHARACTERS)],
                    kind,
                    match,
                ),
                doc=docs.above(line - 1),
            )
        )
    return tuple(definitions)


def _end_of(text: str, start: int, ends: list[int]) -> int:
    """Return where the statement ends; a body in `$$` may have semicolons of its own."""
    end = _next(ends, start, len(text))
    quote = _QUOTED_BODY.search(text, start, min(end, start + _MAX_HEADER_CHARACTERS))
    within = start + _MAX_BODY_CHARACTERS
    closing = text.find(quote[0], quote.end(), within) if quote else -1
    return end if closing < 0 else _next(ends, closing, len(text))


def _next(ends: list[int], start: int, default: int) -> int:
    place = bisect_left(ends, start)
    return ends[place] if place < len(ends) else default


def _signature(statement: str, kind: Kind, match: re.Match[str]) -> str:
    head = match.end() - match.start("head")
    text = statement[:head]
    if kind in _HEADS:
        text = statement[: 4 * _MAX_SIGNATURE_CHARACTERS]
        body = _BODY_START.search(text, head + 1)
        if body and text[body.start()] != "(":
            text = text[: body.start()]
    text = " ".join(text.split())
    text = re.sub(r"(?<=\() | (?=\))", "", text)
    if len(text) > _MAX_SIGNATURE_CHARACTERS:
        text = text[: _MAX_SIGNATURE_CHARACTERS - 1].rstrip() + "…"
    return text
