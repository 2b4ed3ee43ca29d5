"""What an index keeps of one file, whatever its path: its units, and the words of each.

A part is made once per content. A word in a unit is one 64-bit number, so that the index of a
snapshot is a concatenation and one sort: the term in the upper 32 bits, the unit in the next 24,
and in the lowest 8 how often it is there. That count weighs where the word stands: a name says more
than a body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from toolmesh_codesearch.sections import DOCUMENT_LANGUAGES, section_units
from toolmesh_codesearch.unit_names import (
    QUALIFIED_BITS,
    name_key,
    qualified_keys,
    spelling_key,
)
from toolmesh_codesearch.unit_texts import unit_text
from toolmesh_codesearch.unit_words import word_columns
from toolmesh_codesearch.units import KINDS, Unit, file_unit, symbol_units
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import PASSING_FAILURES, Outline

PART_VERSION = 4
"""Counted up whenever a part comes to mean something else; those kept before are made anew."""

UNIT_BITS = 64 - QUALIFIED_BITS
MOST_UNITS = 2**UNIT_BITS
"""How many units an index can tell apart."""

# Arrays of eight bytes for each byte of a batch are made; of 500 kB each, they stay in the
# processor's cache and their memory with the process. Much smaller ones are not worth their calls.
_BATCH_BYTES = 2**16
# Of what is no code, such as data, only the beginning is taken for words.
_MOST_TEXT_BYTES = 2**13
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


class FilePart(msgspec.Struct, frozen=True, array_like=True):
    """One file's units in columns, as bytes.

    Attributes:
        units: the encoded units, which only hits are read from.
        postings: uint64, sorted by nothing: term, unit, count.
        lengths: float32, how many words a unit has, weighed as the counts are.
        names: uint64, what `name_key` gives for the unit's name.
        spellings: uint32, what `spelling_key` gives for it.
        qualifiers: uint64, in order of the units: what `qualified_keys` gives, then the unit.
        kinds: uint8, places in `KINDS`.
        lines: int32 pairs, first and last line.
        texts: uint64, the digest of what is embedded of the unit; 0 for nothing.
        skipped: why the content is not in here; empty when it is.
    """

    units: bytes
    postings: bytes
    lengths: bytes
    names: bytes
    spellings: bytes
    qualifiers: bytes
    kinds: bytes
    lines: bytes
    texts: bytes
    skipped: str = ""

    @property
    def unit_count(self) -> int:
        """How many units it has."""
        return len(self.kinds)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be taken apart; "" is a language that is not known.

    `skipped` says why its content is not here; empty when it is.
    """

    content: bytes
    language: str
    outline: Outline
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class MadePart:
    """A part, and the texts to embed, by digest.

    One that is not `lasting` lacks symbols that may be found another time.
    """

    part: FilePart
    texts: dict[int, str]
    lasting: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file's content as far as its words count, by lines too, and its units."""

    content: bytes
    lines: list[bytes]
    units: list[Unit]
    skipped: str
    lasting: bool


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FilePart)
_units_decoder = msgspec.msgpack.Decoder(list[Unit])


def encode_part(part: FilePart) -> bytes:
    """Return a part as bytes."""
    return _encoder.encode(part)


def decode_part(data: bytes) -> FilePart:
    """Return the part that `encode_part` gave as `data`; ValueError when it is none."""
    return _decoder.decode(data)


def units_of(part: FilePart) -> list[Unit]:
    """Return the units of a part."""
    return _units_decoder.decode(part.units)


def make_parts(files: Sequence[SourceFile], vocabulary: Vocabulary) -> list[MadePart]:
    """Return what an index keeps of each file."""
    made: list[MadePart] = []
    batch: list[_Taken] = []
    size = 0
    for file in files:
        batch.append(_take_apart(file))
        size += len(batch[-1].content)
        if size >= _BATCH_BYTES:
            made += _finished(batch, vocabulary)
            batch, size = [], 0
    return made + _finished(batch, vocabulary)


def _take_apart(file: SourceFile) -> _Taken:
    content = file.content
    skipped = file.skipped or _why_unreadable(content)
    if skipped:
        content = b""
    lines = content.split(b"\n")
    units = [file_unit(lines)]
    if file.language in DOCUMENT_LANGUAGES:
        units += section_units(file.language, lines)
    elif not skipped:
        units += symbol_units(file.outline, lines)
    if len(units) == 1:
        content = content[:_MOST_TEXT_BYTES]
        lines = content.split(b"\n")
    lasting = file.outline.skipped not in PASSING_FAILURES
    return _Taken(content, lines, units, skipped, lasting)


def _finished(files: Sequence[_Taken], vocabulary: Vocabulary) -> list[MadePart]:
    if not files:
        return []
    columns = word_columns(files, vocabulary)
    return [_part(file, *column) for file, column in zip(files, columns, strict=True)]


def _part(file: _Taken, postings: NDArray[np.uint64], lengths: NDArray[np.float32]) -> MadePart:
    units = file.units
    texts = [unit_text(unit, file.lines, alone=len(units) == 1) for unit in units]
    digests = [text_digest(text) for text in texts]
    part = FilePart(
        units=_encoder.encode(units),
        postings=postings.tobytes(),
        lengths=lengths.tobytes(),
        names=_column([name_key(unit.name) if unit.name else 0 for unit in units], np.uint64),
        spellings=_column([spelling_key(unit.name) for unit in units], np.uint32),
        qualifiers=_column(
            [
                key << UNIT_BITS | at
                for at, unit in enumerate(units)
                for key in qualified_keys(unit)
            ],
            np.uint64,
        ),
        kinds=_column([_KIND_NUMBERS[unit.kind] for unit in units], np.uint8),
        lines=_column([each for unit in units for each in (unit.line, unit.end_line)], np.int32),
        texts=_column(digests, np.uint64),
        skipped=file.skipped,
    )
    found = zip(digests, texts, strict=True)
    return MadePart(part, {digest: text for digest, text in found if text}, file.lasting)


def _why_unreadable(content: bytes) -> str:
    if b"\0" in content:
        return "binary"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""


def text_digest(text: str) -> int:
    """Return what a text to embed, and its embedding, are known by; 0 for no text."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1 or 1


def _column(values: Sequence[int], kind: type[np.generic]) -> bytes:
    return np.array(values, dtype=kind).tobytes()
