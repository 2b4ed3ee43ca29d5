"""Failures are one line, what else helps, and an exit code."""

from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from toolmesh_cli.failures import ExitCode
from toolmesh_cli.rpc_failures import from_rpc_error


def rpc_error(code: grpc.StatusCode, message: str, *details: Message) -> grpc.aio.AioRpcError:
    """The error that gRPC raises for such an answer."""
    status = status_pb2.Status()
    for detail in details:
        status.details.add().Pack(detail)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, message, None)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, 3),
        (grpc.StatusCode.PERMISSION_DENIED, 3),
        (grpc.StatusCode.NOT_FOUND, 4),
        (grpc.StatusCode.INVALID_ARGUMENT, 5),
        (grpc.StatusCode.FAILED_PRECONDITION, 5),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 6),
        (grpc.StatusCode.UNAVAILABLE, 6),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 7),
        (grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_exit_codes_follow_grpc_codes(code: grpc.StatusCode, exit_code: int) -> None:
    """The table in the README holds."""
    assert from_rpc_error(rpc_error(code, "text")).exit_code == exit_code


def test_details_are_lines() -> None:
    """Fields at fault, the time to wait and the request id are told."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="a.b", description="is required")
    failure = from_rpc_error(
        rpc_error(
            grpc.StatusCode.INVALID_ARGUMENT,
            "two fields are wrong",
            error_details_pb2.ErrorInfo(reason="FIELD_INVALID"),
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2)),
            error_details_pb2.RequestInfo(request_id="r-1"),
        )
    )
    assert failure.details[:2] == ("a.b: is required", "try again in 2 s")
    assert "r-1" in failure.details[2]


def test_what_the_message_says_is_not_said_again() -> None:
    """A message that is the one violation stands alone."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="id", description="is required")
    bad_request = error_details_pb2.BadRequest(field_violations=[violation])
    failure = from_rpc_error(
        rpc_error(grpc.StatusCode.INVALID_ARGUMENT, "id is required", bad_request)
    )
    assert failure.details == ()


@pytest.mark.parametrize(
    ("message", "field", "description", "headline", "details"),
    [
        ("it is empty: say so", "query", "it is empty: say so", "query: it is empty: say so", ()),
        ("path: 5 is too few", "path", "5 is too few", "path: 5 is too few", ()),
        ("id is required", "id", "is required", "id is required", ()),
        ("name `id`", "id", "name `id`", "name `id`", ()),
        ("invalid: too few", "id", "too few.", "id: invalid: too few", ()),
        ("two are wrong", "id", "is required", "two are wrong", ("id: is required",)),
        ("two are wrong", "id", "", "two are wrong", ("id: ",)),
    ],
)
def test_the_field_is_named_once_and_nothing_is_said_twice(
    message: str, field: str, description: str, headline: str, details: tuple[str, ...]
) -> None:
    """In the headline where that is what is said of the field, else on a line of its own."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    bad_request = error_details_pb2.BadRequest(field_violations=[violation])
    failure = from_rpc_error(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, message, bad_request))
    assert (failure.message, failure.details) == (headline, details)


def test_garbled_details_do_not_hide_the_message() -> None:
    """A status that cannot be read is left out."""
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff"))
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), trailing, "broken", None
    )
    assert from_rpc_error(error).message == "broken"


@pytest.mark.parametrize("arguments", [("whoami",), ("token",), ("tools",), ("push",)])
def test_without_a_mesh_the_way_to_start_it_is_told(
    toolmesh: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    """Nothing hangs: the command says at once that the mesh is not running."""
    ran = toolmesh(*arguments)
    assert ran.code == ExitCode.UNAVAILABLE
    assert "make up" in ran.err
    assert ran.out == ""


def test_status_and_down_without_a_mesh(toolmesh: Callable[..., Any]) -> None:
    """Status is a failure for scripts, down is none."""
    assert toolmesh("status").code == ExitCode.UNAVAILABLE
    assert toolmesh("logs").code == ExitCode.NOT_FOUND
    down = toolmesh("down")
    assert (down.code, down.out.strip()) == (0, "The mesh is not up.")
