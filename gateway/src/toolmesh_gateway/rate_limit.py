"""How often one caller may call: a bucket a user, or an address for callers without a token."""

from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import SUBJECT_HEADER, Config, extension

_UNBOUNDED = 4_000_000_000


def rate_limit(settings: GatewaySettings) -> Config:
    """Counts in Envoy's own memory, so that a call pays no hop; each replica counts for itself."""
    bucket = {
        "max_tokens": settings.gateway_rate_limit_burst,
        "tokens_per_fill": settings.gateway_rate_limit,
        "fill_interval": "1s",
    }
    anonymous = {
        "name": SUBJECT_HEADER,
        "present_match": True,
        "invert_match": True,
    }
    return extension(
        "envoy.filters.http.local_ratelimit",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="callers",
        # Only the descriptors limit; the bucket for all is there because it must be.
        token_bucket={
            "max_tokens": _UNBOUNDED,
            "tokens_per_fill": _UNBOUNDED,
            "fill_interval": "1s",
        },
        always_consume_default_token_bucket=False,
        filter_enabled=_always("local_rate_limit_enabled"),
        filter_enforced=_always("local_rate_limit_enforced"),
        rate_limits=[
            {
                "actions": [
                    {"request_headers": {"header_name": SUBJECT_HEADER, "descriptor_key": "user"}}
                ]
            },
            {
                "actions": [
                    {
                        "header_value_match": {
                            "descriptor_value": "anonymous",
                            "headers": [anonymous],
                        }
                    },
                    {"remote_address": {}},
                ]
            },
        ],
        # An entry without a value stands for every value: one bucket each.
        descriptors=[
            {"entries": [{"key": "user"}], "token_bucket": bucket},
            {
                "entries": [
                    {"key": "header_match", "value": "anonymous"},
                    {"key": "remote_address"},
                ],
                "token_bucket": bucket,
            },
        ],
        max_dynamic_descriptors=settings.gateway_rate_limit_callers,
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        enable_retry_after_header=True,
    )


def _always(key: str) -> Config:
    return {"runtime_key": key, "default_value": {"numerator": 100, "denominator": "HUNDRED"}}
