"""How often a caller may call: a bucket a user, one an API key, one an address.

Envoy counts in its own memory, so that a call pays no hop; each replica counts for itself. What a
call takes from the buckets of its user and its key stands in its token (`call_rates`), which nobody
but identity can write: no header of the caller's has a say in it.
"""

from toolmesh_contracts.call_rates import (
    RATE_CLAIM,
    RATE_KEY,
    RATE_LIMIT,
    RATE_UNITS,
    RATE_UNITS_OF_KEY,
    RATE_WAIT,
    UNITS_PER_MINUTE,
    wait_seconds,
)
from toolmesh_gateway.conditions import only_where
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import JWT_CLAIMS, JWT_FILTER, SUBJECT_HEADER, Config, extension

# Tokens without a rate, which identity does not make, have this many calls a minute together.
_UNSTATED_PER_MINUTE = 600
# Someone who has a whole network of IPv6 is one caller, not 2^64.
_ADDRESS = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
_ANY_ADDRESS = {"key": "masked_remote_address"}
_NO_USER = {"name": SUBJECT_HEADER, "present_match": True, "invert_match": True}


def caller_limit(settings: GatewaySettings) -> Config:
    """Limits users and their keys, and by address those who call public methods."""
    public = {"header_value_match": {"descriptor_value": "public", "headers": [_NO_USER]}}
    return _limit(
        "callers",
        settings,
        rate_limits=[
            # The key first: what it refuses is not taken from its user's bucket.
            _counted("key", [RATE_CLAIM, RATE_KEY], units=RATE_UNITS_OF_KEY),
            _counted("user", ["sub"], units=RATE_UNITS),
            {"actions": [public, _ADDRESS]},
        ],
        descriptors=[
            _bucket(UNITS_PER_MINUTE, {"key": "key"}),
            _bucket(UNITS_PER_MINUTE, {"key": "user"}),
            _bucket(
                settings.gateway_address_calls_per_minute,
                {"key": "header_match", "value": "public"},
                _ANY_ADDRESS,
            ),
        ],
        told=[
            *_told(settings.gateway_address_calls_per_minute),
            # Without a token these are empty and overwrite nothing.
            _header("retry-after", _claim(RATE_CLAIM, RATE_WAIT)),
            _header("x-ratelimit-limit", _claim(RATE_CLAIM, RATE_LIMIT)),
            _header("x-ratelimit-reset", _claim(RATE_CLAIM, RATE_WAIT)),
        ],
    )


def key_check_limit(settings: GatewaySettings, brings_key: Config) -> Config:
    """Limits how often an address may have API keys checked, good ones or not.

    Args:
        brings_key: holds for requests that bring one.
    """
    calls = settings.gateway_address_key_calls_per_minute
    return only_where(
        brings_key,
        _limit(
            "key_checks",
            settings,
            rate_limits=[{"actions": [_ADDRESS]}],
            descriptors=[_bucket(calls, _ANY_ADDRESS)],
            told=_told(calls),
        ),
    )


def _limit(
    name: str,
    settings: GatewaySettings,
    *,
    rate_limits: list[Config],
    descriptors: list[Config],
    told: list[Config],
) -> Config:
    return extension(
        f"toolmesh.limit_{name}",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=name,
        # For calls that have no bucket of their own.
        token_bucket=_tokens(_UNSTATED_PER_MINUTE),
        always_consume_default_token_bucket=False,
        filter_enabled=_always("local_rate_limit_enabled"),
        filter_enforced=_always("local_rate_limit_enforced"),
        rate_limits=rate_limits,
        descriptors=descriptors,
        max_dynamic_descriptors=settings.gateway_rate_limit_callers,
        rate_limited_as_resource_exhausted=True,
        response_headers_to_add=told,
    )


def _counted(key: str, bucket: list[str], *, units: str) -> Config:
    """An entry for the bucket that a claim names; a call takes as much as another claim says."""
    named = {
        "descriptor_key": key,
        "metadata_key": {
            "key": JWT_FILTER,
            "path": [{"key": part} for part in (JWT_CLAIMS, *bucket)],
        },
    }
    return {
        "actions": [{"metadata": named}],
        "hits_addend": {"format": _claim(RATE_CLAIM, units)},
    }


def _bucket(calls: int, *entries: Config) -> Config:
    # An entry without a value stands for every value: one bucket each.
    return {"entries": list(entries), "token_bucket": _tokens(calls)}


def _tokens(per_minute: int) -> Config:
    return {"max_tokens": per_minute, "tokens_per_fill": per_minute, "fill_interval": "60s"}


def _told(calls: int) -> list[Config]:
    wait = str(wait_seconds(calls))
    return [
        _header(name, value)
        for name, value in (
            ("retry-after", wait),
            ("x-ratelimit-limit", str(calls)),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", wait),
        )
    ]


def _header(name: str, value: str) -> Config:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _claim(*path: str) -> str:
    return f"%DYNAMIC_METADATA({':'.join((JWT_FILTER, JWT_CLAIMS, *path))})%"


def _always(key: str) -> Config:
    return {"runtime_key": key, "default_value": {"numerator": 100, "denominator": "HUNDRED"}}
