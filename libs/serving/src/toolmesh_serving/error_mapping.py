"""Turns exceptions into `google.rpc.Status`, the one form in which the mesh fails."""

import asyncio
from collections.abc import Iterator
from typing import Any

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

    Keys and tokens that a caller gave where something else belongs are not repeated.
    """
    return _status(error.code, without_secrets(error.message), *_details(error))


def _details(error: ToolmeshError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=ERROR_DOMAIN,
        metadata={name: without_secrets(value) for name, value in error.metadata.items()},
    )
    if error.field_violations:
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field=without_secrets(violation.field),
                    description=without_secrets(violation.description),
                )
                for violation in error.field_violations
            ]
        )
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


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
