"""Tells source that can be read as code from what cannot, before a parser sees it."""

from array import array
from itertools import accumulate

# A file is minified when most of it stands on lines longer than this: people do not write them,
# and their one-letter names would only blur the ranking.
_MINIFIED_LINE_BYTES = 2_000
_MINIFIED_MIN_BYTES = 8_000

# Brackets deeper than this are not written by people, and error recovery in such a tree can take
# time that is quadratic in its depth.
_MAX_DEPTH = 1_000

_BRACKET_STEPS = bytes.maketrans(b"([{)]}", bytes([1, 1, 1, 255, 255, 255]))
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"([{)]}")


def unreadable_reason(source: bytes) -> str:
    """Return why `source` cannot be read as code, or an empty string if it can."""
    if b"\0" in source:
        return "binary"
    try:
        source.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if _is_minified(source):
        return "minified"
    if _is_deep(source):
        return "nested too deep"
    return ""


def _is_minified(source: bytes) -> bool:
    if len(source) < _MINIFIED_MIN_BYTES:
        return False
    long_lines = (len(line) for line in source.splitlines() if len(line) > _MINIFIED_LINE_BYTES)
    return sum(long_lines) * 2 > len(source)


def _is_deep(source: bytes) -> bool:
    # One signed step for each bracket. Those in strings count too; a bound this high forgives it.
    steps = array("b", source.translate(_BRACKET_STEPS, _NOT_BRACKETS))
    return len(steps) > _MAX_DEPTH and max(accumulate(steps)) > _MAX_DEPTH
