"""What extraction knows about one file: its definitions, the names it uses and what it imports."""

from enum import StrEnum

import msgspec

# A change of the queries or of the extraction changes what an outline says: count this up, and
# outlines that were cached before are made anew.
EXTRACTOR_VERSION = 7

TOOK_TOO_LONG = "took too long to parse"
CRASHED = "crashed the parser"
NOT_PARSED = "could not be parsed"
PASSING_FAILURES = frozenset({TOOK_TOO_LONG, CRASHED, NOT_PARSED})
"""Why files were skipped that may be read another time: never kept on disk."""

MAX_DEPTH = 64
"""How many definitions one may stand in: no person writes more, and readers follow all of them."""


class Kind(StrEnum):
    """What a definition defines."""

    # An enumeration's own is written in Python, and takes ten times as long.
    __hash__ = str.__hash__

    CLASS = "class"
    INTERFACE = "interface"
    STRUCT = "struct"
    ENUM = "enum"
    TRAIT = "trait"
    MODULE = "module"
    IMPLEMENTATION = "implementation"
    TYPE = "type"
    FUNCTION = "function"
    METHOD = "method"
    CONSTRUCTOR = "constructor"
    PROPERTY = "property"
    MACRO = "macro"
    CONSTANT = "constant"
    VARIABLE = "variable"


CONTAINER_KINDS = frozenset(
    {
        Kind.CLASS,
        Kind.INTERFACE,
        Kind.STRUCT,
        Kind.ENUM,
        Kind.TRAIT,
        Kind.MODULE,
        Kind.IMPLEMENTATION,
    }
)
CALLABLE_KINDS = frozenset({Kind.FUNCTION, Kind.METHOD, Kind.CONSTRUCTOR})


class Definition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One definition in a file.

    Lines count from 1, and `end_line` is the last one. `signature` is the header up to the body, on
    one line. `parent` is the index of the enclosing definition among the file's, -1 for none; it is
    an earlier one, and no more than `MAX_DEPTH` stand around one another.
    `doc` is the first line of what a comment or a docstring says about it, of at most 200 bytes.
    """

    name: str
    kind: Kind
    line: int
    end_line: int
    signature: str
    parent: int = -1
    doc: str = ""


class Outline(msgspec.Struct, frozen=True, array_like=True):
    """One file's definitions in line order, uses and imports; or why the file was skipped.

    `references` counts the uses of each name that stands alone, `members` of each that is a member
    of something, as after a dot. `imports` are paths with `/` between their parts,
    whatever the language writes; `./` and `../` begin those that are relative to the file.
    `is_generated` tells that the file says of itself that a program wrote it. Of one that
    `is_minified`, only definitions with names of some length and imports are kept.
    """

    definitions: tuple[Definition, ...] = ()
    references: dict[str, int] = {}
    members: dict[str, int] = {}
    imports: tuple[str, ...] = ()
    skipped: str = ""
    is_generated: bool = False
    is_minified: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outline)


def encode_outline(outline: Outline) -> bytes:
    """Return the outline as compact bytes."""
    return _encoder.encode(outline)


def decode_outline(data: bytes) -> Outline:
    """Return the outline that `encode_outline` gave as `data`.

    Raises ValueError (msgspec's DecodeError is one) when the bytes are not an outline, or one whose
    definitions do not stand in each other as they may.
    """
    outline = _decoder.decode(data)
    depths: list[int] = []
    for definition in outline.definitions:
        parent = definition.parent
        if parent < 0:
            depths.append(0)
        elif parent < len(depths) and depths[parent] < MAX_DEPTH:
            depths.append(depths[parent] + 1)
        else:
            raise ValueError(f"definition {len(depths)} cannot stand in definition {parent}")
    return outline
