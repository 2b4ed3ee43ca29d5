"""Failures that a service foresees. Domain code raises them; the error stage turns them into gRPC.

Nothing here imports gRPC, so domain code can use it.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

# The `domain` of every ErrorInfo that the mesh sends.
ERROR_DOMAIN = "toolmesh.dev"


class Code(enum.IntEnum):
    """The canonical codes of `google.rpc.Code` that a service may fail with."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of the request, and what to do about it."""

    field: str
    description: str


class ToolmeshError(Exception):
    """A foreseen failure. Each kind is a subclass that knows its code and its reason.

    Args:
        message: one sentence for the caller: what is wrong and what to do. No secrets.
        metadata: facts for programs, for example the id that was not found.
        field_violations: the fields at fault.
        retry_after_seconds: when a retry may help; None when it does not.
    """

    code: ClassVar[Code] = Code.INTERNAL
    # A value of the service's ErrorReason enum, without its prefix.
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] = MappingProxyType({}),
        field_violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata
        self.field_violations = tuple(field_violations)
        self.retry_after_seconds = retry_after_seconds


class TokenInvalid(ToolmeshError):
    """No access token, or one that cannot be trusted. Which of its parts is bad is not told."""

    code = Code.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


class ScopeMissing(ToolmeshError):
    """The token is good but does not hold the scope."""

    code = Code.PERMISSION_DENIED
    reason = "SCOPE_MISSING"


class FieldInvalid(ToolmeshError):
    """A field breaks a rule."""

    code = Code.INVALID_ARGUMENT
    reason = "FIELD_INVALID"


class DeadlineTooShort(ToolmeshError):
    """The caller left less time than any work needs."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_TOO_SHORT"


class DeadlineExceeded(ToolmeshError):
    """The work did not end in time."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Unavailable(ToolmeshError):
    """Something that the service needs does not answer."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"
