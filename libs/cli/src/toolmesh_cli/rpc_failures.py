"""Turns a failed call into a message with all that the mesh said about it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from toolmesh_cli.failures import CliError, ExitCode

_DETAILS_KEY = "grpc-status-details-bin"

_Code = grpc.StatusCode
_EXIT_CODES = {
    _Code.CANCELLED: ExitCode.INTERRUPTED,
    _Code.UNAUTHENTICATED: ExitCode.DENIED,
    _Code.PERMISSION_DENIED: ExitCode.DENIED,
    _Code.NOT_FOUND: ExitCode.NOT_FOUND,
    _Code.INVALID_ARGUMENT: ExitCode.INVALID,
    _Code.FAILED_PRECONDITION: ExitCode.INVALID,
    _Code.OUT_OF_RANGE: ExitCode.INVALID,
    _Code.ALREADY_EXISTS: ExitCode.INVALID,
    _Code.UNAVAILABLE: ExitCode.UNAVAILABLE,
    _Code.RESOURCE_EXHAUSTED: ExitCode.UNAVAILABLE,
    _Code.ABORTED: ExitCode.UNAVAILABLE,
    _Code.DEADLINE_EXCEEDED: ExitCode.DEADLINE,
}
_HINTS = {
    _Code.UNAUTHENTICATED: "sign in with `toolmesh sign-in USER`, or check TOOLMESH_API_KEY, "
    "TOOLMESH_TOKEN, --api-key-file",
    _Code.PERMISSION_DENIED: "`toolmesh whoami` shows the scopes that your credential holds",
    _Code.UNAVAILABLE: "`toolmesh status` shows which service does not answer",
    _Code.DEADLINE_EXCEEDED: "try again; `toolmesh status` shows whether the mesh is well",
    _Code.UNIMPLEMENTED: "the mesh does not know this method: it may be older than this command",
}
_BadRequest = error_details_pb2.BadRequest
_DETAIL_TYPES: tuple[Any, ...] = (
    _BadRequest,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RetryInfo,
    error_details_pb2.RequestInfo,
)


def from_rpc_error(error: grpc.aio.AioRpcError) -> CliError:
    """The failure to show: the message, the fields at fault, when to try again."""
    code = error.code()
    message = error.details() or code.name.lower().replace("_", " ")
    details = list(_details(error))
    broken = [v for d in details if isinstance(d, _BadRequest) for v in d.field_violations]
    headline = _headline(message, broken)
    lines = [_line(each) for each in broken if not _says(headline, each)]
    lines += [line for detail in details for line in _lines(detail) if line not in headline]
    return CliError(
        headline,
        exit_code=_EXIT_CODES.get(code, ExitCode.UNEXPECTED),
        details=lines,
        hint=_HINTS.get(code, ""),
    )


def _headline(message: str, broken: Sequence[Any]) -> str:
    """The message; with the field before it when it is what is said of one without naming it."""
    for violation in broken:
        if _tells(message, violation) and not _names(message, violation):
            return f"{violation.field}: {message}"
    return message


def _says(headline: str, violation: Any) -> bool:
    return _tells(headline, violation) and _names(headline, violation)


def _tells(message: str, violation: Any) -> bool:
    # The message may join field and description by a colon or by none.
    description = _bare(violation.description)
    return bool(description) and description in _bare(message)


def _names(message: str, violation: Any) -> bool:
    return re.search(rf"(?<!\w){re.escape(violation.field)}(?!\w)", message) is not None


def _bare(text: str) -> str:
    return text.replace(":", "").replace(" ", "").rstrip(".")


def _line(violation: Any) -> str:
    return f"{violation.field}: {violation.description}"


def _details(error: grpc.aio.AioRpcError) -> Iterator[Any]:
    metadata: Any = error.trailing_metadata()
    packed = next((value for key, value in metadata if key == _DETAILS_KEY), b"")
    try:
        status = status_pb2.Status.FromString(packed if isinstance(packed, bytes) else b"")
        for detail in status.details:
            for kind in _DETAIL_TYPES:
                if detail.Is(kind.DESCRIPTOR):
                    yield kind.FromString(detail.value)
    except DecodeError:
        return


def _lines(detail: Message) -> Iterator[str]:
    if isinstance(detail, error_details_pb2.QuotaFailure):
        for quota in detail.violations:
            yield f"{quota.subject}: {quota.description}"
    elif isinstance(detail, error_details_pb2.RetryInfo):
        seconds = detail.retry_delay.ToTimedelta().total_seconds()
        yield f"try again in {seconds:.3g} s"
    elif isinstance(detail, error_details_pb2.RequestInfo):
        yield f"request id {detail.request_id}: `toolmesh logs` has more about it"
