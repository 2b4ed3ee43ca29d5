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
from toolmesh_codesearch.unit_texts import unit_text
from toolmesh_codesearch.units import KINDS, Unit, file_unit, symbol_units
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline

PART_VERSION = 1
"""Counted up whenever a part comes to mean something else; those kept before are made anew."""

MOST_UNITS = 2**24
"""How many units an index can tell apart."""

TF_STEPS = 4
"""How many steps of a count are one occurrence."""

_NAME, _SCOPE, _SIGNATURE, _DOC, _BODY = 5.0, 1.5, 1.0, 1.5, 1.0
# Of what is no code, such as data, only the beginning is taken for words.
_MOST_TEXT_BYTES = 2**15
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


class FilePart(msgspec.Struct, frozen=True, array_like=True):
    """One file's units in columns, as bytes.

    Attributes:
        units: the encoded units, which only hits are read from.
        postings: uint64, sorted by nothing: term, unit, count.
        lengths: float32, how many words a unit has, weighed as the counts are.
        names: uint64, what `name_key` gives for the unit's name.
        kinds: uint8, places in `KINDS`.
        lines: int32 pairs, first and last line.
        texts: uint64, the digest of what is embedded of the unit; 0 for nothing.
        skipped: why the content is not in here; empty when it is.
    """

    units: bytes
    postings: bytes
    lengths: bytes
    names: bytes
    kinds: bytes
    lines: bytes
    texts: bytes
    skipped: str = ""

    @property
    def unit_count(self) -> int:
        """How many units it has."""
        return len(self.kinds)


@dataclass(frozen=True, slots=True)
class MadePart:
    """A part, and the texts to embed, by digest."""

    part: FilePart
    texts: dict[int, str]


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


def name_key(name: str) -> int:
    """Return a number for a name; case does not count."""
    return int.from_bytes(blake2b(name.lower().encode(), digest_size=8).digest())


def make_part(content: bytes, language: str, outline: Outline, vocabulary: Vocabulary) -> MadePart:
    """Return what an index keeps of a file in a language; "" is one that is not known."""
    skipped = outline.skipped or _why_unreadable(content)
    if skipped:
        content = b""
    lines = content.split(b"\n")
    units = [file_unit(len(lines)), *_inner_units(language, outline, lines, skipped)]
    if len(units) == 1:
        content = content[:_MOST_TEXT_BYTES]
    postings, lengths = _postings(content, len(lines), units, vocabulary)
    texts = [unit_text(unit, lines, alone=len(units) == 1) for unit in units]
    digests = [_text_digest(text) for text in texts]
    numbers = [_KIND_NUMBERS[unit.kind] for unit in units]
    part = FilePart(
        units=_encoder.encode(units),
        postings=postings.tobytes(),
        lengths=lengths.tobytes(),
        names=_column([name_key(unit.name) if unit.name else 0 for unit in units], np.uint64),
        kinds=_column(numbers, np.uint8),
        lines=_column([each for unit in units for each in (unit.line, unit.end_line)], np.int32),
        texts=_column(digests, np.uint64),
        skipped=skipped,
    )
    return MadePart(
        part, {digest: text for digest, text in zip(digests, texts, strict=True) if text}
    )


def _inner_units(
    language: str, outline: Outline, lines: Sequence[bytes], skipped: str
) -> list[Unit]:
    if skipped:
        return []
    if language in DOCUMENT_LANGUAGES:
        return section_units(language, lines)
    return symbol_units(outline, lines)


def _postings(
    content: bytes, line_count: int, units: Sequence[Unit], vocabulary: Vocabulary
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    owners: list[NDArray[np.int64]] = []
    terms: list[NDArray[np.uint32]] = []
    weights: list[NDArray[np.float64]] = []

    def add(owner: NDArray[np.int64], found: NDArray[np.uint32], weight: float) -> None:
        owners.append(owner)
        terms.append(found)
        weights.append(np.full(len(found), weight))

    body = vocabulary.words_of(content)
    breaks = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n"))
    add(_line_owners(units, line_count)[np.searchsorted(breaks, body.starts)], body.terms, _BODY)
    for weight, texts in (
        (_NAME, [unit.name for unit in units]),
        (_SCOPE, [unit.scope for unit in units]),
        (_SIGNATURE, [unit.signature for unit in units]),
        (_DOC, [unit.doc for unit in units]),
    ):
        encoded = [text.encode() for text in texts]
        words = vocabulary.words_of(b"\n".join(encoded))
        ends = np.cumsum([len(text) + 1 for text in encoded])
        add(np.searchsorted(ends, words.starts, side="right"), words.terms, weight)
    owner, term, weight = np.concatenate(owners), np.concatenate(terms), np.concatenate(weights)
    keys = (term.astype(np.uint64) << np.uint64(32)) | (owner.astype(np.uint64) << np.uint64(8))
    found, inverse = np.unique(keys, return_inverse=True)
    counts = np.bincount(inverse, weights=weight, minlength=len(found)) * TF_STEPS
    counted = np.clip(np.rint(counts), 1, 255).astype(np.uint64)
    lengths = np.bincount(owner, weights=weight, minlength=len(units))
    return found | counted, lengths.astype(np.float32)


def _line_owners(units: Sequence[Unit], line_count: int) -> NDArray[np.int64]:
    """Return for each line the innermost unit that it is in."""
    owners = np.zeros(line_count + 1, dtype=np.int64)
    for number, unit in enumerate(units[1:], start=1):
        # A unit comes after those around it.
        owners[unit.first_line - 1 : unit.end_line] = number
    return owners


def _why_unreadable(content: bytes) -> str:
    if b"\0" in content:
        return "binary"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""


def _text_digest(text: str) -> int:
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1 or 1


def _column(values: Sequence[int], kind: type[np.generic]) -> bytes:
    return np.array(values, dtype=kind).tobytes()
