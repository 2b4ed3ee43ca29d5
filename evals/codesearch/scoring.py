"""How good a ranking is, by the place of the first right answer in it."""

from collections.abc import Collection, Iterable, Sequence

MOST_PLACES = 100
"""A right answer further down counts as not found."""


def first_right(ranked: Iterable[str], answers: Collection[str]) -> int:
    """The place, from 1, of the first right answer among distinct symbols; 0 when it has none.

    A symbol that comes again, as an overload does, counts once.
    """
    for place, symbol in enumerate(dict.fromkeys(ranked), start=1):
        if place > MOST_PLACES:
            break
        if symbol in answers:
            return place
    return 0


def recall_at(places: Sequence[int], depth: int) -> float:
    """The share of queries that have a right answer among the first `depth`."""
    return sum(0 < place <= depth for place in places) / len(places)


def reciprocal_rank(place: int) -> float:
    """1 for the first place, 1/2 for the second, and so on; 0 for none."""
    return 1 / place if place else 0.0
