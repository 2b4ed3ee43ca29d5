"""Envoy's own answers, put into the mesh's one form for failures.

HTTP callers get a `google.rpc.Status` as JSON, MCP callers one inside a JSON-RPC error, and gRPC
callers one as `grpc-status-details-bin`. All of it is looked at only when Envoy answers by itself:
a call that goes through pays nothing.
"""

import base64

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from toolmesh_contracts.contract import Contract
from toolmesh_gateway.refusals import Refusal, refusals
from toolmesh_gateway.terms import MCP_PATH, Config, extension

_DOMAIN = "toolmesh.dev"
_TYPES = "type.googleapis.com/"
# The first of the codes that JSON-RPC leaves to servers.
_JSONRPC_SERVER_ERROR = -32000
# Envoy's own words for what happened, put into JSON by Envoy, which escapes them.
_ENVOY_SAYS = "%LOCAL_REPLY_BODY%"

# A refusal that the MCP bridge has put into JSON-RPC already, and anything that is no refusal.
_LEFT_ALONE = "response.code < 400 || response.code_details.startsWith('mcp_json_rest_bridge')"
# The transcoder makes a gRPC request of an HTTP one, but keeps the path it came with.
_GRPC_CALLER = (
    "request.headers['content-type'].startsWith('application/grpc')"
    " && !('x-envoy-original-path' in request.headers)"
)


def local_replies(contract: Contract) -> Config:
    """The `local_reply_config` of the connection manager."""
    mappers: list[Config] = [{"filter": _cel(_LEFT_ALONE)}]
    for refusal in refusals(contract):
        mappers += [_grpc_mapper(refusal), _mcp_mapper(refusal), _json_mapper(refusal)]
    return {"mappers": mappers}


def _grpc_mapper(refusal: Refusal) -> Config:
    return {
        "filter": _cel(f"({refusal.when}) && {_GRPC_CALLER}"),
        # It becomes the call's message, which must be the one in the details.
        "body": {"inline_string": refusal.message},
        "headers_to_add": [
            _header("grpc-status", str(refusal.code)),
            _header("grpc-status-details-bin", _status_header(refusal)),
            *_challenge(refusal),
        ],
    }


def _mcp_mapper(refusal: Refusal) -> Config:
    # Before the bridge has read a call, it can be refused only without its id, which clients know
    # to mean the call that they sent.
    status = _json_status(refusal)
    error = {"code": _JSONRPC_SERVER_ERROR, "message": status["message"], "data": status}
    return _http_mapper(
        refusal,
        when=f"({refusal.when}) && request.url_path == '{MCP_PATH}'",
        body={"jsonrpc": "2.0", "id": None, "error": error},
    )


def _json_mapper(refusal: Refusal) -> Config:
    return _http_mapper(refusal, when=refusal.when, body=_json_status(refusal))


def _http_mapper(refusal: Refusal, *, when: str, body: Config) -> Config:
    mapper: Config = {"filter": _cel(when), "body_format_override": {"json_format": body}}
    if refusal.http_status is not None:
        mapper["status_code"] = refusal.http_status
    if challenge := _challenge(refusal):
        mapper["headers_to_add"] = challenge
    return mapper


def _challenge(refusal: Refusal) -> list[Config]:
    """Which scheme is wanted. Envoy's own words repeat the whole URL, in which a secret may be."""
    if refusal.code != code_pb2.UNAUTHENTICATED:
        return []
    return [_header("www-authenticate", 'Bearer realm="toolmesh"')]


def _json_status(refusal: Refusal) -> Config:
    details: list[Config] = [
        {
            "@type": f"{_TYPES}google.rpc.ErrorInfo",
            "reason": refusal.reason,
            "domain": _DOMAIN,
            "metadata": refusal.metadata,
        }
    ]
    if refusal.names_field:
        violation = {"field": "", "description": _ENVOY_SAYS}
        details.append({"@type": f"{_TYPES}google.rpc.BadRequest", "fieldViolations": [violation]})
    if refusal.retry_seconds is not None:
        retry = f"{refusal.retry_seconds}s"
        details.append({"@type": f"{_TYPES}google.rpc.RetryInfo", "retryDelay": retry})
    message = f"{refusal.message}: {_ENVOY_SAYS}" if refusal.names_field else refusal.message
    return {"code": refusal.http_code or refusal.code, "message": message, "details": details}


def _status_header(refusal: Refusal) -> str:
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=refusal.reason, domain=_DOMAIN, metadata=refusal.metadata
        )
    ]
    if refusal.retry_seconds is not None:
        delay = duration_pb2.Duration(seconds=refusal.retry_seconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed: list[any_pb2.Any] = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=refusal.code, message=refusal.message, details=packed)
    return base64.b64encode(status.SerializeToString(deterministic=True)).decode().rstrip("=")


def _header(name: str, value: str) -> Config:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _cel(expression: str) -> Config:
    return {
        "extension_filter": extension(
            "envoy.access_loggers.extension_filters.cel",
            "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            expression=expression,
        )
    }
