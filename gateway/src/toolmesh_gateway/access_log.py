"""One JSON line a call: what, by whom, how it ended, how long it took. No secret is in it."""

from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import Config, extension

# Paths are written without their query, which may hold a token or what a user searched for.
_FIELDS: Config = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "trace": "%REQ(TRACEPARENT)%",
    "http_method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%PATH(NQ:PATH)%",
    "door": "%DYNAMIC_METADATA(toolmesh:door)%",
    "authority": "%REQ(:AUTHORITY)%",
    "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "sub": "%REQ(X-SUB)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "user_agent": "%REQ(USER-AGENT)%",
}


def access_logs(settings: GatewaySettings) -> list[Config]:
    """The loggers that the settings ask for. Health checks are not logged."""
    if not settings.gateway_access_log:
        return []
    log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=settings.gateway_access_log,
        log_format={"json_format": _FIELDS, "omit_empty_values": True},
    )
    return [log | {"filter": {"not_health_check_filter": {}}}]
