"""The routes: one exact path a method, with the method's own timeout and retries.

The route that a request has on its arrival also decides which filters are made for it: one that has
nothing to do for such requests costs them nothing, where a condition at the filter would. Later
routes, as after transcoding, change nothing of that.
"""

from collections.abc import Iterable

from toolmesh_contracts.contract import Method, SideEffect
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import (
    ACCESS_TOKEN_PARAMETER,
    API_KEY_FILTERS,
    BROWSER_TOKEN_FILTERS,
    HEALTH_FILTERS,
    IDENTITY,
    JSON_FILTERS,
    MCP_FILTERS,
    MCP_PATH,
    TOKEN_COOKIE,
    Config,
    seconds,
    typed,
)

_GRPC: Config = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"
_CREDENTIAL_FILTERS = (*API_KEY_FILTERS, *BROWSER_TOKEN_FILTERS)
_RBAC_PER_ROUTE = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"


def route_configuration(methods: tuple[Method, ...], settings: GatewaySettings) -> Config:
    """The one virtual host: every method's route, then the one for paths that are no method's."""
    host: Config = {
        "name": "mesh",
        "domains": ["*"],
        # Credentials that only the gateway has a use for.
        "request_headers_to_remove": ["cookie", "x-api-key"],
        # Behind proxies, the one of the forwarded addresses that can be believed.
        "request_headers_to_add": [
            {
                "header": {
                    "key": "x-toolmesh-client",
                    "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "routes": [
            *_credentials_to_exchange(),
            *(_route(method) for method in methods),
            _no_method(),
            *_health_checks(),
            _mcp(),
            _before_transcoding(),
        ],
    }
    if settings.gateway_cors_origins:
        host["typed_per_filter_config"] = {"envoy.filters.http.cors": _cors(settings)}
    return {"name": "mesh", "virtual_hosts": [host]}


def _route(method: Method) -> Config:
    limit = seconds(method.policy.timeout_seconds)
    action: Config = {
        "cluster": method.service,
        "timeout": limit,
        # A method may be silent for as long as it may run: a push, or a run that is watched.
        "idle_timeout": limit,
        # A gRPC client's own deadline holds where it is shorter.
        "max_stream_duration": {"max_stream_duration": limit, "grpc_timeout_header_max": limit},
    }
    if method.policy.side_effect is SideEffect.READ and not method.client_streaming:
        action["retry_policy"] = {
            "retry_on": "connect-failure,refused-stream,reset,unavailable",
            "num_retries": 1,
            "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
        }
    return {
        "name": method.path,
        "match": {"path": method.path},
        "route": action,
        "typed_per_filter_config": _without(
            _CREDENTIAL_FILTERS, HEALTH_FILTERS, JSON_FILTERS, MCP_FILTERS
        ),
    }


def _without(*filters: Iterable[str]) -> Config:
    return {name: typed(_FILTER_CONFIG, disabled=True) for names in filters for name in names}


def _credentials_to_exchange() -> list[Config]:
    """Requests whose credential is no token in its place; when it is, their route is found anew."""
    held: dict[str, Config] = {
        "key in authorization": {
            "name": "authorization",
            "string_match": {"prefix": "Bearer tmk_", "ignore_case": True},
        },
        # An empty one is none, as for the filters.
        "key in x-api-key": {
            "name": "x-api-key",
            "string_match": {"safe_regex": {"regex": ".+"}},
        },
        "token in a cookie": {
            "name": "cookie",
            "string_match": {"contains": f"{TOKEN_COOKIE}="},
        },
        "token in the query": {
            "name": ":path",
            "string_match": {"contains": f"{ACCESS_TOKEN_PARAMETER}="},
        },
    }
    return [
        {
            "name": name,
            "match": {"prefix": "/", "headers": [header]},
            "route": {"cluster": IDENTITY},
        }
        for name, header in held.items()
    ]


def _health_checks() -> list[Config]:
    return [
        {"name": path, "match": {"path": path}, "route": {"cluster": IDENTITY}}
        for path in HEALTH_FILTERS.values()
    ]


def _mcp() -> Config:
    return {
        "name": "mcp",
        "match": {"path": MCP_PATH},
        "route": {"cluster": IDENTITY},
        "typed_per_filter_config": _without(_CREDENTIAL_FILTERS, HEALTH_FILTERS),
    }


def _no_method() -> Config:
    # A gRPC call that is no method's is told so (404) rather than refused for its scope (403), so
    # RBAC stands aside.
    return {
        "name": "no method",
        "match": {"prefix": "/", "headers": [_GRPC]},
        "direct_response": {"status": 404},
        "typed_per_filter_config": {"envoy.filters.http.rbac": typed(_RBAC_PER_ROUTE)},
    }


def _before_transcoding() -> Config:
    # HTTP paths come by here before the transcoder makes gRPC paths of them, for which the route is
    # looked up again; paths that it does not know it refuses itself. So nobody gets to the cluster
    # (and RBAC would deny it), but the route must be there: where none matches, CORS and ext_authz
    # do nothing, and an API key would reach the JWT filter as if it were a token.
    return {
        "name": "before transcoding",
        "match": {"prefix": "/"},
        "route": {"cluster": IDENTITY},
        "typed_per_filter_config": _without(_CREDENTIAL_FILTERS, HEALTH_FILTERS, MCP_FILTERS),
    }


def _cors(settings: GatewaySettings) -> Config:
    return typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"exact": origin} for origin in settings.gateway_cors_origins],
        allow_methods="GET, POST, PUT, PATCH, DELETE, OPTIONS",
        allow_headers=(
            "authorization, content-type, grpc-timeout, mcp-protocol-version, traceparent, "
            "x-api-key, x-grpc-web, x-request-id, x-user-agent"
        ),
        expose_headers=(
            "grpc-message, grpc-status, grpc-status-details-bin, retry-after, x-ratelimit-limit, "
            "x-ratelimit-remaining, x-ratelimit-reset, x-request-id"
        ),
        max_age="600",
    )
