"""Turns the names of units into numbers, so that columns tell which units a name means."""

from collections.abc import Sequence
from hashlib import blake2b

from toolmesh_codesearch.units import Unit

QUALIFIED_BITS = 40
"""How large a `qualified_key` is."""

_MOST_NAMES = 8


def name_key(name: str) -> int:
    """Return 64 bits for a name; case does not count."""
    return _bits(name.lower(), 64)


def spelling_key(name: str) -> int:
    """Return 32 bits for a name; case counts."""
    return _bits(name, 32)


def qualified_key(names: Sequence[str]) -> int:
    """Return 40 bits for a name with those around it before it, of which the last 7 count.

    Case does not count.
    """
    return _bits(".".join(names[-_MOST_NAMES:]).lower(), QUALIFIED_BITS)


def qualified_keys(unit: Unit) -> list[int]:
    """Return the key of a unit's name with the one around it, with the two around it, and so on."""
    names = unit.qualified.rsplit(".", _MOST_NAMES)[-_MOST_NAMES:]
    return [qualified_key(names[-count:]) for count in range(2, len(names) + 1)]


def _bits(text: str, count: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=count // 8).digest())
