"""The stages that every service runs, and their order."""

import time
from collections.abc import Awaitable
from uuid import uuid4

from google.protobuf.message import Message

from toolmesh_serving.access_token import AccessTokenVerifier
from toolmesh_serving.admin_event import without_secrets
from toolmesh_serving.call import Call
from toolmesh_serving.caller import enter_caller
from toolmesh_serving.error_mapping import to_status
from toolmesh_serving.errors import (
    Code,
    DeadlineTooShort,
    FieldInvalid,
    FieldViolation,
    ScopeMissing,
)
from toolmesh_serving.logs import WriteLine
from toolmesh_serving.stage import Stage
from toolmesh_serving.telemetry import Telemetry

# Kept back from the caller's deadline, so that the answer reaches it in time.
_DEADLINE_MARGIN_SECONDS = 0.020
# With less than this left, no work can end in time, so none is begun.
_SHORTEST_WORK_SECONDS = 0.050
_MAX_REQUEST_ID_CHARS = 128


def standard_stages(
    verifier: AccessTokenVerifier, telemetry: Telemetry, write: WriteLine | None
) -> tuple[Stage, ...]:
    """All stages, outermost first.

    Args:
        write: writes the log line of each call; None leaves calls out of the log.
    """
    return (
        # First, so that the span covers all the rest.
        TracingStage(telemetry),
        # Before anything that logs.
        RequestIdStage(),
        # Outside the error stage, so that it sees the code that the caller will see.
        LogStage(telemetry, write),
        # Outside all that refuses, so that every refusal has the same form.
        ErrorStage(),
        # Before any work that costs time, such as fetching keys.
        DeadlineStage(),
        # Before the request's content is looked at: strangers learn nothing of the rules.
        IdentityStage(verifier),
        # Last: it is the caller's own request that is checked.
        FieldRulesStage(),
    )


class TracingStage(Stage):
    """Opens a span that continues the caller's trace."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def begin(self, call: Call) -> None:
        """See `Stage`."""
        if self._telemetry.enabled:
            self._telemetry.start_span(call)

    def end(self, call: Call) -> None:
        """See `Stage`."""
        if self._telemetry.enabled:
            self._telemetry.end_span(call)


class RequestIdStage(Stage):
    """Takes the request id that the gateway gave, or makes one."""

    def begin(self, call: Call) -> None:
        """See `Stage`."""
        given = call.metadata.get("x-request-id", "")
        if "_" in given or "." in given:  # as in keys and tokens, but not in the gateway's own ids
            given = without_secrets(given)
        usable = given.isprintable() and 0 < len(given) <= _MAX_REQUEST_ID_CHARS
        call.request_id = given if usable else str(uuid4())


class LogStage(Stage):
    """Logs and measures each call once, when it ends."""

    def __init__(self, telemetry: Telemetry, write: WriteLine | None) -> None:
        self._telemetry = telemetry
        self._write = write

    def end(self, call: Call) -> None:
        """See `Stage`."""
        seconds = time.monotonic() - call.started
        if call.status is not None:
            code = Code(call.status.code).name
        else:
            code = "OK" if call.error is None else Code.CANCELLED.name
        if self._write is not None:
            self._write(
                {
                    "event": "call",
                    "method": call.method.path,
                    "code": code,
                    "millis": round(seconds * 1000, 2),
                    "request_id": call.request_id,
                    "subject": call.caller.subject if call.caller else "",
                }
            )
        if self._telemetry.enabled:
            self._telemetry.record(call.method.path, code=code, seconds=seconds)


class ErrorStage(Stage):
    """Turns what the work raised into a `google.rpc.Status`."""

    def end(self, call: Call) -> None:
        """See `Stage`."""
        if isinstance(call.error, Exception):
            call.status = to_status(call.error, call)


class DeadlineStage(Stage):
    """Bounds the work by the caller's deadline and the method's timeout."""

    def begin(self, call: Call) -> None:
        """See `Stage`."""
        budget = call.method.policy.timeout_seconds
        given = call.context.time_remaining()
        if given is not None:
            if given < _SHORTEST_WORK_SECONDS:
                raise DeadlineTooShort(
                    f"{given * 1000:.0f} ms are left, too few to begin; allow more time"
                )
            budget = min(budget, given - _DEADLINE_MARGIN_SECONDS)
        call.deadline = call.started + budget


class IdentityStage(Stage):
    """Checks the access token and the method's scope, whether or not a gateway did."""

    def __init__(self, verifier: AccessTokenVerifier) -> None:
        self._verifier = verifier

    def begin(self, call: Call) -> Awaitable[None] | None:
        """See `Stage`."""
        if call.method.policy.public:
            return None
        scheme, _, token = call.metadata.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = ""
        known = self._verifier.recall(token)
        if known is None:
            return self._verify(call, token)
        call.caller = known
        self._authorize(call)
        return None

    async def _verify(self, call: Call, token: str) -> None:
        call.caller = await self._verifier.verify(token)
        self._authorize(call)

    def _authorize(self, call: Call) -> None:
        caller = call.caller
        scope = call.method.policy.scope
        if caller is None or (scope is not None and scope not in caller.scopes):
            raise ScopeMissing(
                f"this needs the scope {scope}, which the token does not hold",
                metadata={"scope": scope or ""},
            )
        enter_caller(caller)


class FieldRulesStage(Stage):
    """Checks each message against the rules in the proto."""

    def message(self, call: Call, message: Message) -> None:
        """See `Stage`."""
        violations = call.method.rules.violations(message)
        if violations:
            raise FieldInvalid(
                "; ".join(f"{v.field} {v.description}" for v in violations[:3]),
                field_violations=[FieldViolation(v.field, v.description) for v in violations],
            )
