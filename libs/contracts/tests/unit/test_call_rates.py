"""What a call takes from a bucket."""

import pytest

from toolmesh_contracts.call_rates import UNITS_PER_MINUTE, rate_claim, units_a_call


def test_a_full_bucket_is_good_for_the_calls_of_a_minute() -> None:
    """To the call where that can be; where it cannot, within a thousandth."""
    for calls in range(1, 30_001):
        assert UNITS_PER_MINUTE // units_a_call(calls) == calls
    for calls in range(30_001, 1_000_001, 997):
        assert calls <= UNITS_PER_MINUTE // units_a_call(calls) <= calls * 1.001


@pytest.mark.parametrize("calls", [-1, 0, 1_000_001])
def test_a_rate_that_cannot_be_kept(calls: int) -> None:
    """It is refused rather than kept in part."""
    with pytest.raises(ValueError, match="cannot be kept"):
        units_a_call(calls)


@pytest.mark.parametrize(
    ("of_user", "of_key", "claim"),
    [
        (600, 0, {"units": 1_666_666, "limit": 600, "wait": 1}),
        (
            600,
            7,
            {"units": 1_666_666, "key": "k", "key_units": 142_857_142, "limit": 7, "wait": 9},
        ),
        (
            5,
            1_000,
            {"units": 200_000_000, "key": "k", "key_units": 1_000_000, "limit": 5, "wait": 12},
        ),
    ],
)
def test_the_claim(of_user: int, of_key: int, claim: dict[str, int | str]) -> None:
    """A caller is told of the lower limit; a key without one has no bucket."""
    assert rate_claim(of_user, key="k", of_key=of_key) == claim
