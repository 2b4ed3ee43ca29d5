"""For what reasons Envoy itself refuses a call, and what callers are told of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.rpc import code_pb2

from toolmesh.identity.v1 import error_reason_pb2 as identity_reasons
from toolmesh.serving.v1 import error_reason_pb2 as reasons
from toolmesh_contracts.contract import Contract
from toolmesh_gateway.authorization import access_name
from toolmesh_gateway.terms import MCP_PATH

_PREFIX = "ERROR_REASON_"
# Of a caller's many possible waits these are told in a status, which is written beforehand; the
# header `retry-after` has the very number. A call a minute is the lowest rate.
_WAITS = (1, 5, 15, 60)


@dataclass(frozen=True)
class Refusal:
    """One kind of refusal.

    Attributes:
        when: the condition, in CEL, over `request` and `response`.
        code: the canonical code.
        reason: of the answer's `ErrorInfo`.
        message: what people are told.
        http_status: the status to answer with; None leaves Envoy's.
        http_code: the code that HTTP callers get in place of `code`.
        metadata: of the answer's `ErrorInfo`.
        retry_seconds: when a retry may help; None when it does not.
        names_field: whether Envoy's own words tell which field of the request is at fault.
    """

    when: str
    code: int
    reason: str
    message: str
    http_status: int | None = None
    http_code: int | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    retry_seconds: int | None = None
    names_field: bool = False


def refusals(contract: Contract) -> Iterator[Refusal]:
    """Every kind; of those whose condition holds, the first is told."""
    yield from _about_the_caller()
    yield from _about_the_request()
    yield from _about_the_mesh()
    yield from _about_the_scope(contract)
    yield Refusal(
        when="true",
        code=code_pb2.INTERNAL,
        reason=_reason(reasons.ERROR_REASON_INTERNAL),
        message="an unforeseen failure; its request id finds it in the logs",
    )


def _about_the_caller() -> Iterator[Refusal]:
    yield Refusal(
        # No keys yet, because identity does not answer: the token may well be good.
        when="response.code_details.contains('Jwks_remote_fetch_is_failed')",
        code=code_pb2.UNAVAILABLE,
        reason=_reason(reasons.ERROR_REASON_UNAVAILABLE),
        message="the signing keys cannot be had yet; try again",
        http_status=503,
        retry_seconds=1,
    )
    yield Refusal(
        when="response.code == 401 && response.code_details.startsWith('ext_authz_denied')",
        code=code_pb2.UNAUTHENTICATED,
        reason=_identity_reason(identity_reasons.ERROR_REASON_API_KEY_INVALID),
        message="the API key is unknown, revoked, expired or malformed",
    )
    yield Refusal(
        # A wrong audience is 403 to Envoy; to the mesh it is a token like any other bad one.
        when="response.code == 401 || response.code_details.startsWith('jwt_authn_access_denied')",
        code=code_pb2.UNAUTHENTICATED,
        reason=_reason(reasons.ERROR_REASON_TOKEN_INVALID),
        message=(
            "the access token is missing, garbled, expired or not meant for this mesh; get a new "
            "one with `toolmesh token` or POST /v1/tokens:exchange"
        ),
        http_status=401,
    )
    for wait in _WAITS:
        yield Refusal(
            when=f"response.code == 429 && int(response.headers['retry-after']) <= {wait}",
            code=code_pb2.RESOURCE_EXHAUSTED,
            reason=_reason(reasons.ERROR_REASON_RATE_LIMITED),
            message="too many calls; slow down",
            retry_seconds=wait,
        )


def _about_the_request() -> Iterator[Refusal]:
    yield Refusal(
        # What MCP's specification wants to hear where a server offers no stream of its own.
        when=f"response.code == 404 && request.url_path == '{MCP_PATH}'",
        code=code_pb2.UNIMPLEMENTED,
        reason=_reason(reasons.ERROR_REASON_METHOD_UNKNOWN),
        message="MCP is answered to POST alone",
        http_status=405,
    )
    yield Refusal(
        # gRPC's word for an unknown method is UNIMPLEMENTED, but HTTP's 404 is NOT_FOUND.
        when="response.code == 404 || response.code == 405",
        code=code_pb2.UNIMPLEMENTED,
        http_code=code_pb2.NOT_FOUND,
        reason=_reason(reasons.ERROR_REASON_METHOD_UNKNOWN),
        message="no such path or method",
    )
    yield Refusal(
        when="response.code == 413 || response.code == 431",
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason=_reason(reasons.ERROR_REASON_REQUEST_TOO_LARGE),
        message="the request is larger than the mesh takes",
    )
    yield Refusal(
        when="response.code_details.startsWith('path_normalization_failed')",
        code=code_pb2.INVALID_ARGUMENT,
        reason=_reason(reasons.ERROR_REASON_FIELD_INVALID),
        message="the path must not have escaped slashes",
    )
    yield Refusal(
        when="response.code == 400",
        code=code_pb2.INVALID_ARGUMENT,
        reason=_reason(reasons.ERROR_REASON_FIELD_INVALID),
        message="the request is not one that the method takes",
        names_field=True,
    )


def _about_the_mesh() -> Iterator[Refusal]:
    yield Refusal(
        when="response.code == 504 || response.code == 408",
        code=code_pb2.DEADLINE_EXCEEDED,
        reason=_reason(reasons.ERROR_REASON_DEADLINE_EXCEEDED),
        message="the call did not end in time",
    )
    yield Refusal(
        when="response.code == 503 || response.code == 502",
        code=code_pb2.UNAVAILABLE,
        reason=_reason(reasons.ERROR_REASON_UNAVAILABLE),
        message="a service that this needs does not answer; try again",
        retry_seconds=1,
    )


def _about_the_scope(contract: Contract) -> Iterator[Refusal]:
    for scope in contract.scopes:
        paths = [method.path for method in contract.methods if access_name(method) == scope]
        yield Refusal(
            when=f"response.code == 403 && request.url_path in {paths}",
            code=code_pb2.PERMISSION_DENIED,
            reason=_reason(reasons.ERROR_REASON_SCOPE_MISSING),
            message=f"this needs the scope {scope}, which the token does not hold",
            metadata={"scope": scope},
        )
    yield Refusal(
        when="response.code == 403",
        code=code_pb2.PERMISSION_DENIED,
        reason=_reason(reasons.ERROR_REASON_SCOPE_MISSING),
        message="the token does not allow this",
    )


def _reason(value: reasons.ErrorReason.ValueType) -> str:
    return reasons.ErrorReason.Name(value).removeprefix(_PREFIX)


def _identity_reason(value: identity_reasons.ErrorReason.ValueType) -> str:
    return identity_reasons.ErrorReason.Name(value).removeprefix(_PREFIX)
