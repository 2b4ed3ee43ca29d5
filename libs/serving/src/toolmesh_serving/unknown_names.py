"""Says of a name that it is unknown, and which one was probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_MOST_NEAR = 3
# Comparing takes time that grows with the length; no name is nearly as long.
_MOST_CHARACTERS = 50


def no_such(kind: str, name: str, known: Sequence[str], *, aliases: Iterable[str] = ()) -> str:
    """Return a sentence for the caller: what is unknown, what may be meant, and what there is.

    `known` are told all of them, `aliases` only where one is near.
    """
    hint = did_you_mean(name, [*known, *aliases])
    there_are = " There are" if hint else "; there are"
    return f"no {kind} {name[:_MOST_CHARACTERS]!r}{hint}{there_are}: {', '.join(known)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of such a sentence, with the known names that are nearest; empty: none is."""
    near = get_close_matches(name[:_MOST_CHARACTERS].lower(), known, n=_MOST_NEAR)
    return f"; did you mean {' or '.join(near)}?" if near else ""
