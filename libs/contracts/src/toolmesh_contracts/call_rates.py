"""How often a caller may call: what identity writes into a token and Envoy goes by.

Each caller has a bucket that holds `UNITS_PER_MINUTE`, and as many flow into it a minute. A call of
someone who may make n calls a minute takes the n-th part of it, so that one kind of bucket serves
every number: n calls at once after a pause, and one more each 60/n seconds.
"""

from typing import Final

UNITS_PER_MINUTE: Final = 1_000_000_000
"""What a bucket holds. Envoy lets no call take more."""
MAX_CALLS_PER_MINUTE: Final = 1_000_000
DEFAULT_CALLS_PER_MINUTE: Final = 6_000

RATE_CLAIM: Final = "rate"
"""The claim of an access token that holds the members below."""
RATE_UNITS: Final = "units"
"""What a call takes from its user's bucket."""
RATE_KEY: Final = "key"
"""The name of the bucket of the API key that the token was had for, if that has a limit."""
RATE_UNITS_OF_KEY: Final = "key_units"
"""What a call takes from that."""
RATE_LIMIT: Final = "limit"
"""The lower of both limits, in calls a minute: what callers are told."""
RATE_WAIT: Final = "wait"
"""After how many seconds one more call is let through at the latest."""


def units_a_call(calls_per_minute: int) -> int:
    """What a call takes; the limit is kept to the call up to 30,000, and to 0.1 % up to a million.

    Raises:
        ValueError: the number is none that can be kept.
    """
    if not 0 < calls_per_minute <= MAX_CALLS_PER_MINUTE:
        raise ValueError(f"{calls_per_minute} calls a minute cannot be kept")
    return UNITS_PER_MINUTE // calls_per_minute


def wait_seconds(calls_per_minute: int) -> int:
    """After how many seconds an empty bucket has enough for a call."""
    return -(-60 // calls_per_minute)


def rate_claim(of_user: int, *, key: str = "", of_key: int = 0) -> dict[str, int | str]:
    """The claim for calls of a user who may make `of_user` a minute.

    Args:
        key: names the API key.
        of_key: how many calls a minute may be made with the key; 0: it has no limit of its own.
    """
    limit = min(of_user, of_key or of_user)
    claim: dict[str, int | str] = {
        RATE_UNITS: units_a_call(of_user),
        RATE_LIMIT: limit,
        RATE_WAIT: wait_seconds(limit),
    }
    return claim | ({RATE_KEY: key, RATE_UNITS_OF_KEY: units_a_call(of_key)} if of_key else {})
