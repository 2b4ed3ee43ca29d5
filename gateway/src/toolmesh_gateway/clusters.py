"""The upstreams: one cluster a service, and the gateway itself as the source of signing keys."""

from toolmesh_gateway.settings import MIB, GatewaySettings
from toolmesh_gateway.terms import Config, address, extension, typed

GATEWAY_CLUSTER = "gateway"
OTLP_CLUSTER = "otlp"
AUDIT_CLUSTER = "audit-log"

# Deliveries of the access log that may wait for the audit service, of 32 KiB each: 256 MiB at most,
# ten minutes of 600 calls a second. Past that the newest are lost, and counted.
_WAITING_DELIVERIES = 8192

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(services: tuple[str, ...], settings: GatewaySettings) -> list[Config]:
    """Every cluster that the configuration refers to."""
    upstreams = [_service(name, settings) for name in services]
    upstreams.append(_own_listener(settings))
    if settings.gateway_audit:
        upstreams.append(_audit_log(settings))
    if settings.otlp_endpoint:
        # Services want a URL there; what names the place is its end.
        collector = settings.otlp_endpoint.rpartition("//")[2]
        upstreams.append(
            {**_endpoints(OTLP_CLUSTER, collector), "connect_timeout": "1s", **_http2()}
        )
    return upstreams


def _service(name: str, settings: GatewaySettings) -> Config:
    return {
        **_endpoints(name, settings.address_pattern.format(service=name)),
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        # Where every endpoint seems ill, calls are still tried: with one endpoint, as on a single
        # machine, a restarted service is back with its first answer, not with the next check.
        "common_lb_config": {"healthy_panic_threshold": {"value": 50}},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        # Catches the endpoint that answers checks but not calls. Never more than half of them, so
        # never the only one.
        "outlier_detection": {
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": "5s",
            "base_ejection_time": "5s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": settings.gateway_max_calls_per_service,
                    "max_pending_requests": settings.gateway_max_calls_per_service,
                    "max_requests": settings.gateway_max_calls_per_service,
                    # Retries never add more than a fifth to the load of a service in trouble.
                    "retry_budget": {
                        "budget_percent": {"value": 20},
                        "min_retry_concurrency": 3,
                    },
                }
            ]
        },
        "per_connection_buffer_limit_bytes": MIB,
        **_http2(),
    }


def _audit_log(settings: GatewaySettings) -> Config:
    """The audit service as the receiver of the access log.

    Unlike the cluster that its callers reach it by, nothing here gives up on it: no health check
    takes the only endpoint away, and every delivery may be under way again.
    """
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        **_endpoints(AUDIT_CLUSTER, settings.address_pattern.format(service="audit")),
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _WAITING_DELIVERIES)]},
        **_http2(),
    }


def _own_listener(settings: GatewaySettings) -> Config:
    # An any-address cannot be connected to: the loopback of its family stands for it.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 - compared with, not bound to
        settings.gateway_address, settings.gateway_address
    )
    return {
        "name": GATEWAY_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(GATEWAY_CLUSTER, f"{host}:{settings.gateway_port}"),
    }


def _endpoints(name: str, target: str) -> Config:
    """Where the cluster's endpoints are: a Unix socket, or every address of a DNS name."""
    if target.startswith("unix:"):
        return {"name": name, "type": "STATIC", "load_assignment": _assignment(name, target)}
    return {
        "name": name,
        # Strict DNS: each address is an endpoint, as headless services want it.
        "cluster_type": extension(
            "envoy.clusters.dns",
            "envoy.extensions.clusters.dns.v3.DnsCluster",
            dns_lookup_family="V4_PREFERRED",
            # A pod that came or went is known this soon, whatever the record's time to live.
            dns_refresh_rate="5s",
            dns_failure_refresh_rate={"base_interval": "1s", "max_interval": "5s"},
        ),
        "load_assignment": _assignment(name, target.removeprefix("dns:///")),
    }


def _assignment(name: str, target: str) -> Config:
    endpoint = {"endpoint": {"address": address(target)}}
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}


def _http2() -> Config:
    options = {
        # A peer that vanished without a word is found out in seconds.
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        "initial_stream_window_size": MIB,
        "initial_connection_window_size": 16 * MIB,
    }
    return {
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: typed(
                _HTTP_OPTIONS, explicit_http_config={"http2_protocol_options": options}
            )
        }
    }
