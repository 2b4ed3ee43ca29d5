"""Sorting integers."""

import random

import numpy as np
import pytest

from toolmesh_repomap.integer_sorting import distinct, stable_order


@pytest.mark.parametrize(
    ("dtype", "largest"), [("int32", 2**31 - 1), ("int64", 2**63 - 1), ("uint64", 2**64 - 1)]
)
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_distinct_values(dtype: str, largest: int, count: int) -> None:
    """Each value is there once, in order, 0 and the largest ones too."""
    dice = random.Random(count)
    values = [dice.choice([0, 1, 7, largest]) for _ in range(count)]
    assert distinct(np.array(values, dtype=dtype)).tolist() == sorted(set(values))


@pytest.mark.parametrize("largest", [7, 2**31 - 1, 2**52, 2**53, 2**63 - 1])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_a_stable_order(count: int, largest: int) -> None:
    """Equal values stay in the order that they were in, however large they are."""
    dice = random.Random(count)
    values = [dice.choice([0, 1, 7, largest]) for _ in range(count)]
    places = stable_order(np.array(values, dtype=np.int64)).tolist()
    assert places == sorted(range(count), key=lambda place: (values[place], place))
