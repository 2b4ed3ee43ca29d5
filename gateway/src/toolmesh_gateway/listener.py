"""The one listener: the HTTP connection manager with its filters in their order."""

from toolmesh_contracts.contract import Contract
from toolmesh_gateway.access_log import access_logs
from toolmesh_gateway.authentication import api_keys, brings_key, browser_token, tokens
from toolmesh_gateway.authorization import authorization
from toolmesh_gateway.clusters import OTLP_CLUSTER
from toolmesh_gateway.local_replies import local_replies
from toolmesh_gateway.rate_limit import caller_limit, key_check_limit
from toolmesh_gateway.routes import route_configuration
from toolmesh_gateway.settings import MIB, GatewaySettings
from toolmesh_gateway.terms import IDENTITY, SUBJECT_HEADER, Config, extension, seconds, typed
from toolmesh_gateway.transcoding import (
    body_limit,
    mcp_bridge,
    mcp_depth,
    mcp_mark,
    mcp_structured,
    refusals_finished,
    strict_json,
    transcoder,
)

_FILTERS = "envoy.extensions.filters.http."


def listener(contract: Contract, settings: GatewaySettings) -> Config:
    """Where callers connect."""
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **_connection_manager(contract, settings),
    )
    return {
        "name": "mesh",
        "address": {
            "socket_address": {
                "address": settings.gateway_address,
                "port_value": settings.gateway_port,
            }
        },
        # What is looked at as a whole, such as a JSON body, must fit.
        "per_connection_buffer_limit_bytes": max(MIB, settings.gateway_max_body_bytes),
        "filter_chains": [{"filters": [manager]}],
    }


def http_filters(contract: Contract, settings: GatewaySettings) -> list[Config]:
    """The filter chain, in the order in which a request goes through it."""
    chain = [
        _health("/healthz"),
        _health("/readyz", {IDENTITY: {"value": 1}}),
        *([_plain("cors", "cors.v3.Cors")] if settings.gateway_cors_origins else []),
        # Before everything that can refuse: a refusal is then told in the caller's own protocol.
        _plain("grpc_web", "grpc_web.v3.GrpcWeb"),
        browser_token(),
    ]
    if settings.gateway_rate_limits:
        chain.append(key_check_limit(settings, brings_key()))
    chain += [api_keys(), tokens(contract, settings)]
    if settings.gateway_rate_limits:
        chain.append(caller_limit(settings))
    if settings.gateway_mcp:
        chain += [mcp_depth(), mcp_structured(), mcp_mark(), mcp_bridge(contract, settings)]
    return [
        *chain,
        refusals_finished(contract),
        body_limit(contract, settings),
        strict_json(contract),
        transcoder(contract, settings),
        authorization(contract),
        _plain("router", "router.v3.Router", suppress_envoy_headers=True),
    ]


def _connection_manager(contract: Contract, settings: GatewaySettings) -> Config:
    manager: Config = {
        "stat_prefix": "mesh",
        "codec_type": "AUTO",
        "route_config": route_configuration(contract.methods, settings),
        "http_filters": http_filters(contract, settings),
        "early_header_mutation_extensions": [_identity_headers_removed()],
        "local_reply_config": local_replies(contract),
        "access_log": access_logs(settings),
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.gateway_trusted_hops,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        # One spelling a path: what is checked is what is called.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "max_request_headers_kb": settings.gateway_max_header_kib,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": seconds(settings.gateway_idle_seconds),
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 1000,
            "initial_stream_window_size": MIB,
            "initial_connection_window_size": 16 * MIB,
            # A bad header ends its call, not the connection with all the others on it.
            "override_stream_error_on_invalid_http_message": True,
        },
    }
    if settings.otlp_endpoint:
        manager["tracing"] = _tracing(settings)
    return manager


def _identity_headers_removed() -> Config:
    """Takes away what only the gateway may say, before any filter can believe it."""
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove": SUBJECT_HEADER},
            {"remove_on_match": {"key_matcher": {"prefix": "x-toolmesh-"}}},
            {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}},
        ],
    )


def _health(path: str, healthy: Config | None = None) -> Config:
    return extension(
        f"envoy.filters.http.health_check{path}",
        f"{_FILTERS}health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": path}}],
        cluster_min_healthy_percentages=healthy or {},
    )


def _plain(name: str, type_name: str, **fields: object) -> Config:
    return extension(f"envoy.filters.http.{name}", _FILTERS + type_name, **fields)


def _tracing(settings: GatewaySettings) -> Config:
    collector = {"envoy_grpc": {"cluster_name": OTLP_CLUSTER}, "timeout": "1s"}
    return {
        "random_sampling": {"value": settings.gateway_trace_percent},
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": typed(
                "envoy.config.trace.v3.OpenTelemetryConfig",
                grpc_service=collector,
                service_name="gateway",
            ),
        },
    }
