"""What is written of a call: by whom, how it ended, how long it took. No secret is in it.

One JSON line goes to a file, and what matters of it as an OTLP log record to the audit service.
Envoy puts a delivery of records away until the audit service has acknowledged it, and sends it
again until then; calls do not wait for any of that.
"""

from toolmesh_contracts.call_lines import CALL_LINES
from toolmesh_gateway.clusters import AUDIT_CLUSTER
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.terms import JWT_CLAIMS, JWT_FILTER, Config, extension

# Paths are written without their query, which may hold a token or what a user searched for.
_FIELDS: Config = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "http_method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%PATH(NQ:PATH)%",
    "door": "%DYNAMIC_METADATA(toolmesh:door)%",
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
    "actor": f"%DYNAMIC_METADATA({JWT_FILTER}:{JWT_CLAIMS}:act:sub)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "user_agent": "%REQ(USER-AGENT)%",
}


# What the audit service wants. The id is Envoy's own: a caller may choose the request's.
_LINES = {
    "id": "%UNIQUE_ID%",
    "session": f"%DYNAMIC_METADATA({JWT_FILTER}:{JWT_CLAIMS}:sid)%",
    "subject": f"%DYNAMIC_METADATA({JWT_FILTER}:{JWT_CLAIMS}:sub)%",
    "actor": _FIELDS["actor"],
    "http_status": _FIELDS["code"],
    "grpc_status": _FIELDS["grpc_status"],
    "response_flags": _FIELDS["flags"],
    "details": _FIELDS["details"],
    "duration_ms": _FIELDS["duration_ms"],
    "bytes_in": _FIELDS["bytes_in"],
    "bytes_out": _FIELDS["bytes_out"],
    "peer": _FIELDS["client"],
    "http_method": _FIELDS["http_method"],
    "method": _FIELDS["rpc"],
    "http_path": _FIELDS["path"],
    "request_id": _FIELDS["request_id"],
    "user_agent": _FIELDS["user_agent"],
}
# Envoy keeps no body over 64 KiB for a retry, so a delivery must stay well under that.
_DELIVERY_BYTES = 32 * 1024
# With 2 s between tries at most, and half of it on average, this is ten minutes.
_TRIES = 600
_NO_HEALTH_CHECK: Config = {"not_health_check_filter": {}}


# What a caller writes as it likes, by the fields that tell of it.
_CALLERS_TEXTS = {
    "path": (":path", "x-envoy-original-path"),
    "rpc": (":path",),
    "request_id": ("x-request-id",),
    "trace": ("traceparent",),
    "user_agent": ("user-agent",),
}
# How API keys, refresh tokens and access tokens begin.
_CREDENTIALS = ("tmk_", "tmr_", "eyJ")


def access_logs(settings: GatewaySettings) -> list[Config]:
    """The loggers that the settings ask for. Health checks are not logged."""
    logs: list[Config] = []
    if settings.gateway_access_log:
        # Each field costs every call something, so only what can be there is asked for.
        fields = _FIELDS | ({"trace": "%REQ(TRACEPARENT)%"} if settings.otlp_endpoint else {})
        texts = [name for name in _CALLERS_TEXTS if name in fields]
        without = fields | dict.fromkeys(texts, "[removed]")
        clean = _credentials(texts, there=False)
        unclean: Config = {"or_filter": {"filters": _credentials(texts, there=True)}}
        logs.append(_file_log(settings, fields) | {"filter": _and([_NO_HEALTH_CHECK, *clean])})
        logs.append(_file_log(settings, without) | {"filter": _and([_NO_HEALTH_CHECK, unclean])})
    if settings.gateway_audit:
        # The audit service takes credentials out of what it is told.
        logs.append(_audit_log() | {"filter": _NO_HEALTH_CHECK})
    return logs


def _file_log(settings: GatewaySettings, fields: Config) -> Config:
    return extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=settings.gateway_access_log,
        log_format={"json_format": fields, "omit_empty_values": True},
    )


def _and(filters: list[Config]) -> Config:
    return {"and_filter": {"filters": filters}}


def _credentials(texts: list[str], *, there: bool) -> list[Config]:
    """Of what one filter holds where a credential is in the texts, or all hold where none is."""
    names = sorted({header for text in texts for header in _CALLERS_TEXTS[text]})
    return [
        {
            "header_filter": {
                "header": {
                    "name": name,
                    "string_match": {"contains": beginning},
                    "invert_match": not there,
                    "treat_missing_header_as_empty": True,
                }
            }
        }
        for name in names
        for beginning in _CREDENTIALS
    ]


def _audit_log() -> Config:
    return extension(
        "envoy.access_loggers.open_telemetry",
        "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        grpc_service={
            "envoy_grpc": {"cluster_name": AUDIT_CLUSTER},
            "timeout": "900s",
            "retry_policy": {
                "retry_on": "5xx,reset,connect-failure,refused-stream,cancelled,unavailable,"
                "deadline-exceeded,internal,resource-exhausted",
                "num_retries": _TRIES,
                "retry_back_off": {"base_interval": "0.1s", "max_interval": "2s"},
            },
        },
        buffer_size_bytes=_DELIVERY_BYTES,
        buffer_flush_interval="0.5s",
        disable_builtin_labels=True,
        body={"string_value": "\n".join(_LINES[name] for name in CALL_LINES)},
    )
