"""Who is calling: API keys turned into tokens by identity, tokens verified by Envoy."""

from toolmesh_contracts.contract import Contract, HttpRule, Method
from toolmesh_gateway.clusters import GATEWAY_CLUSTER
from toolmesh_gateway.conditions import either, header, header_matches, only_where
from toolmesh_gateway.http_paths import is_literal, template_regex
from toolmesh_gateway.scripts import lua, source
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import (
    ACCESS_TOKEN_PARAMETER,
    IDENTITY,
    JWT_CLAIMS,
    JWT_FILTER,
    SUBJECT_HEADER,
    TOKEN_COOKIE,
    Config,
    extension,
    seconds,
)

JWKS_PATH = "/.well-known/jwks.json"
_PROVIDER = "identity"


def browser_token() -> Config:
    """Moves a token from the query or a cookie to where tokens belong, for callers that cannot.

    A browser's WebSocket and EventSource send no header of one's own. Only on GET: a cookie is sent
    along by any page, and must not be enough to change something.
    """
    has_token = either(
        header("cookie", contains=f"{TOKEN_COOKIE}="),
        header(":path", contains=f"{ACCESS_TOKEN_PARAMETER}="),
    )
    return only_where(has_token, lua("browser_token", source("browser_token")))


def brings_key() -> Config:
    """Holds for requests that bring an API key."""
    return either(
        header("authorization", prefix="Bearer tmk_", ignore_case=True),
        header_matches("x-api-key", ".+"),
    )


def api_keys() -> Config:
    """Asks identity about requests that bring an API key; the answer replaces it by a token."""
    check = extension(
        "envoy.filters.http.ext_authz",
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        grpc_service={"envoy_grpc": {"cluster_name": IDENTITY}, "timeout": "1s"},
        failure_mode_allow=False,
        status_on_error={"code": "ServiceUnavailable"},
        allowed_headers={"patterns": [{"exact": "authorization"}, {"exact": "x-api-key"}]},
        validate_mutations=True,
        # The route on arrival was that for requests with a key.
        clear_route_cache=True,
    )
    return only_where(brings_key(), check)


def tokens(contract: Contract, settings: GatewaySettings) -> Config:
    """Verifies tokens; every path but those of public methods needs one."""
    return extension(
        JWT_FILTER,
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={_PROVIDER: _provider(settings)},
        rules=[
            *(
                rule
                for method in contract.methods
                if method.policy.public
                for rule in _open(method)
            ),
            {"match": {"prefix": "/"}, "requires": {"provider_name": _PROVIDER}},
        ],
    )


def _provider(settings: GatewaySettings) -> Config:
    return {
        "issuer": settings.issuer,
        "audiences": [settings.audience],
        "require_expiration": True,
        "clock_skew_seconds": 5,
        "forward": True,
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "remote_jwks": {
            "http_uri": {
                "uri": f"http://{GATEWAY_CLUSTER}{JWKS_PATH}",
                "cluster": GATEWAY_CLUSTER,
                "timeout": "2s",
            },
            "cache_duration": seconds(settings.gateway_jwks_refresh_seconds),
            # The listener must open before the keys are there: they come through it.
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "0.5s"},
        },
        # A verified token is good until it expires: its signature is checked once.
        "jwt_cache_config": {"jwt_cache_size": 10_000, "jwt_max_token_size": 8192},
        "payload_in_metadata": JWT_CLAIMS,
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
        "claim_to_headers": [{"header_name": SUBJECT_HEADER, "claim_name": "sub"}],
    }


def _open(method: Method) -> list[Config]:
    """The rules that let a public method by, by its gRPC path and by each HTTP form."""
    return [{"match": {"path": method.path}}, *(_open_http(rule) for rule in method.http)]


def _open_http(rule: HttpRule) -> Config:
    path = (
        {"path": rule.path}
        if is_literal(rule.path)
        else {"safe_regex": {"regex": template_regex(rule.path)}}
    )
    verb = {"name": ":method", "string_match": {"exact": rule.verb}}
    return {"match": {**path, "headers": [verb]}}
