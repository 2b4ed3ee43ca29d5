"""The audit service's RPCs: protos to domain and back."""

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.audit.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc
from toolmesh_audit.chain import Chain
from toolmesh_audit.errors import SequenceUnknown, TimeInvalid
from toolmesh_audit.events import Event, Kind, Outcome
from toolmesh_audit.following import follow
from toolmesh_audit.listing import Filters, Found, export_lines, list_events
from toolmesh_audit.records import day_of
from toolmesh_audit.verification import Fault, Finding, verify
from toolmesh_serving.errors import FieldViolation

_DEFAULT_PAGE_SIZE = 50
_KINDS = {
    audit_event_pb2.AUDIT_EVENT_KIND_CALL: Kind.CALL,
    audit_event_pb2.AUDIT_EVENT_KIND_ADMIN: Kind.ADMIN,
}
_OUTCOMES = {
    audit_event_pb2.AUDIT_OUTCOME_ALLOWED: Outcome.ALLOWED,
    audit_event_pb2.AUDIT_OUTCOME_DENIED: Outcome.DENIED,
    audit_event_pb2.AUDIT_OUTCOME_FAILED: Outcome.FAILED,
}
_KIND_VALUES = {kind: value for value, kind in _KINDS.items()}
_OUTCOME_VALUES = {outcome: value for value, outcome in _OUTCOMES.items()}
_FAULT_VALUES = {
    Fault.ALTERED: audit_service_pb2.AUDIT_FAULT_ALTERED,
    Fault.REMOVED: audit_service_pb2.AUDIT_FAULT_REMOVED,
    Fault.REORDERED: audit_service_pb2.AUDIT_FAULT_REORDERED,
    Fault.REWRITTEN: audit_service_pb2.AUDIT_FAULT_REWRITTEN,
}


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Serves `AuditService`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def ListAuditEvents(
        self, request: audit_service_pb2.ListAuditEventsRequest, context: Any
    ) -> audit_service_pb2.ListAuditEventsResponse:
        """See the proto."""
        found, next_page_token = await list_events(
            self._chain,
            _filters(request),
            page_size=request.page_size or _DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
        )
        return audit_service_pb2.ListAuditEventsResponse(
            audit_events=[_event(each) for each in found], next_page_token=next_page_token
        )

    async def VerifyAudit(
        self, request: audit_service_pb2.VerifyAuditRequest, context: Any
    ) -> AsyncIterator[audit_service_pb2.VerifyAuditResponse]:
        """See the proto."""
        anchors = {anchor.sequence: anchor.hash for anchor in request.anchors}
        async for finding in verify(self._chain, from_seq=request.from_sequence, anchors=anchors):
            yield _finding(finding)

    async def ListAuditAnchors(
        self, request: audit_service_pb2.ListAuditAnchorsRequest, context: Any
    ) -> audit_service_pb2.ListAuditAnchorsResponse:
        """See the proto."""
        anchors = [
            audit_event_pb2.AuditAnchor(day=day, sequence=seq, hash=digest)
            for day, (seq, digest) in (await self._chain.anchors()).items()
        ]
        head = await self._chain.head()
        if head.seq:
            anchors.append(
                audit_event_pb2.AuditAnchor(
                    day=day_of(head.time / 1000), sequence=head.seq, hash=head.hash.hex()
                )
            )
        return audit_service_pb2.ListAuditAnchorsResponse(audit_anchors=anchors)

    async def TailAuditEvents(
        self, request: audit_service_pb2.TailAuditEventsRequest, context: Any
    ) -> AsyncIterator[audit_service_pb2.TailAuditEventsResponse]:
        """See the proto."""
        filters = Filters(
            subject=request.subject,
            method=request.method,
            outcome=_OUTCOMES.get(request.outcome),
            kind=_KINDS.get(request.kind),
        )
        after = request.after_sequence if request.HasField("after_sequence") else None
        batches = follow(self._chain, filters, after=after, seconds=request.follow_seconds)
        async for found, last in batches:
            yield audit_service_pb2.TailAuditEventsResponse(
                audit_events=[_event(each) for each in found], last_sequence=last
            )

    async def ExportAuditEvents(
        self, request: audit_service_pb2.ExportAuditEventsRequest, context: Any
    ) -> AsyncIterator[audit_service_pb2.ExportAuditEventsResponse]:
        """See the proto."""
        head = await self._chain.head()
        if request.from_sequence > head.seq:
            raise SequenceUnknown(
                f"there is no record {request.from_sequence}; the last is {head.seq}",
                metadata={"sequence": str(request.from_sequence)},
            )
        lines = export_lines(self._chain, from_seq=request.from_sequence or 1, until=head.seq)
        async for content in lines:
            body = HttpBody(content_type="application/jsonl", data=content)
            yield audit_service_pb2.ExportAuditEventsResponse(lines=body)


def _filters(request: audit_service_pb2.ListAuditEventsRequest) -> Filters:
    return Filters(
        start=_seconds("start_time", request.start_time)
        if request.HasField("start_time")
        else None,
        end=_seconds("end_time", request.end_time) if request.HasField("end_time") else None,
        subject=request.subject,
        method=request.method,
        outcome=_OUTCOMES.get(request.outcome),
        kind=_KINDS.get(request.kind),
        request_id=request.request_id,
    )


def _seconds(name: str, time: Timestamp) -> float:
    try:
        # Of the years that can be named; others make no sense anyway.
        return time.ToDatetime(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise TimeInvalid(
            f"{name} is no time that can be", field_violations=[FieldViolation(name, str(error))]
        ) from None


def _event(found: Found) -> audit_event_pb2.AuditEvent:
    record, event = found.record, found.event
    shown = audit_event_pb2.AuditEvent(
        sequence=record.place,
        record_time=_timestamp(record.time / 1000),
        hash=record.hash.hex(),
        previous_hash=record.previous.hex(),
    )
    if event is None:
        return shown
    shown.kind = _KIND_VALUES[event.kind]
    shown.event_time.CopyFrom(_timestamp(event.time))
    shown.request_id = event.request_id
    shown.subject = event.subject
    shown.session = event.session
    shown.actor = event.actor
    shown.outcome = _OUTCOME_VALUES[event.outcome]
    if event.kind is Kind.CALL:
        shown.call.CopyFrom(_call(event))
    else:
        shown.change.CopyFrom(_change(event))
    return shown


def _call(event: Event) -> audit_event_pb2.AuditedCall:
    duration = Duration()
    duration.FromMilliseconds(event.duration_ms)
    return audit_event_pb2.AuditedCall(
        method=event.method,
        side_effect=event.side_effect,
        http_method=event.http_method,
        http_path=event.http_path,
        http_status=event.http_status,
        grpc_status=event.grpc_status,
        response_flags=event.response_flags,
        details=event.details,
        duration=duration,
        peer=event.peer,
        user_agent=event.user_agent,
        request_size_bytes=event.bytes_in,
        response_size_bytes=event.bytes_out,
    )


def _change(event: Event) -> audit_event_pb2.AuditedChange:
    change = audit_event_pb2.AuditedChange(action=event.method, target=event.target)
    for document, shown in ((event.before, change.before), (event.after, change.after)):
        if document is not None:
            struct = Struct()
            struct.update(dict(document))
            shown.CopyFrom(struct)
    return change


def _finding(finding: Finding) -> audit_service_pb2.VerifyAuditResponse:
    fault = audit_service_pb2.AUDIT_FAULT_UNSPECIFIED
    return audit_service_pb2.VerifyAuditResponse(
        finished=finding.finished,
        valid=finding.fault is None,
        checked_count=finding.checked,
        last_sequence=finding.last,
        fault=_FAULT_VALUES[finding.fault] if finding.fault else fault,
        bad_sequence=finding.bad,
        message=finding.message,
        last_hash=finding.last_hash.hex(),
        progress=audit_service_pb2.VerifyProgress(
            done_count=finding.checked, total_count=finding.total
        ),
    )


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(round(seconds * 1e6))
    return timestamp
