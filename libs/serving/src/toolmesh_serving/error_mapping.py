"""Turns exceptions into `google.rpc.Status`, the one form in which the mesh fails."""

import asyncio
import string
from collections.abc import Iterator
from itertools import accumulate
from typing import Any
from urllib.parse import quote

import grpc
import grpc.aio
import structlog
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from toolmesh_serving.admin_event import without_secrets
from toolmesh_serving.call import Call
from toolmesh_serving.errors import ERROR_DOMAIN, Code, DeadlineExceeded, ToolmeshError, Unavailable

_log = structlog.get_logger()

# A status goes in the trailers, of which clients take 8 kB: its message twice, once with three
# characters for each byte that is not ASCII, and once, with the details, in base64.
_MOST_MESSAGE_BYTES = 1000
_MOST_VIOLATION_BYTES = 2000
_MOST_METADATA_BYTES = 1000
_PLAIN = string.punctuation.replace("%", "") + " "

# Codes of a service that we called which are the caller's business, passed on as they are.
_PASSED_ON = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
}


def to_status(error: Exception, call: Call) -> Status:
    """The status to answer with. What was not foreseen is logged here, and only here."""
    if isinstance(error, ToolmeshError):
        return foreseen_status(error)
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return foreseen_status(DeadlineExceeded("the work did not end in time"))
    if isinstance(error, grpc.aio.AioRpcError):
        passed_on = _passed_on(error)
        if passed_on is not None:
            return passed_on
    _log.error(
        "unforeseen failure", method=call.method.path, request_id=call.request_id, exc_info=error
    )
    return _status(
        Code.INTERNAL,
        "an unforeseen failure; its request id finds it in the logs",
        error_details_pb2.ErrorInfo(reason="INTERNAL", domain=ERROR_DOMAIN),
        error_details_pb2.RequestInfo(request_id=call.request_id),
    )


def foreseen_status(error: ToolmeshError) -> Status:
    """The status of a foreseen failure: one ErrorInfo, and what else helps the caller.

    Keys and tokens that a caller gave where something else belongs are not repeated. What is too
    long for the trailers is cut, and of very many fields at fault the first are told.
    """
    message = _cut(without_secrets(error.message), _MOST_MESSAGE_BYTES)
    return _status(error.code, message, *_details(error))


def _details(error: ToolmeshError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=ERROR_DOMAIN,
        metadata={
            name: _cut(without_secrets(value), _MOST_METADATA_BYTES // len(error.metadata))
            for name, value in error.metadata.items()
        },
    )
    if error.field_violations:
        yield error_details_pb2.BadRequest(field_violations=_violations(error))
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _violations(error: ToolmeshError) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    left = _MOST_VIOLATION_BYTES
    for violation in error.field_violations:
        field = _cut(without_secrets(violation.field), _MOST_VIOLATION_BYTES // 4)
        description = _cut(without_secrets(violation.description), _MOST_VIOLATION_BYTES // 4)
        left -= _size(field) + _size(description)
        if left < 0:
            return
        yield error_details_pb2.BadRequest.FieldViolation(field=field, description=description)


def _cut(text: str, most: int) -> str:
    """Return as much of a text as has at most so many bytes in the trailers, and an ellipsis."""
    sizes = accumulate(map(_size, text))
    end = next((place for place, size in enumerate(sizes) if size > most), len(text))
    return text if end == len(text) else f"{text[:end]}…"


def _size(text: str) -> int:
    """Return how many bytes a text has where all but printable ASCII is escaped."""
    return (
        len(text)
        if text.isascii() and text.isprintable()
        else len(quote(text, safe=_PLAIN, errors="replace"))
    )


def _passed_on(error: grpc.aio.AioRpcError) -> Status | None:
    if error.code() in _PASSED_ON:
        failed: Any = error  # has what a call has, which its type does not say
        stated = rpc_status.from_call(failed)
        if stated is not None:
            return stated
        return _status(
            Code(error.code().value[0]),
            error.details() or "",
            error_details_pb2.ErrorInfo(reason=error.code().name, domain=ERROR_DOMAIN),
        )
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return foreseen_status(
            Unavailable("a service that this needs does not answer", retry_after_seconds=1)
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return foreseen_status(DeadlineExceeded("a service that this needs did not end in time"))
    return None


def _status(code: Code, message: str, *details: Message) -> Status:
    packed: list[any_pb2.Any] = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return Status(code=int(code), message=message, details=packed)
