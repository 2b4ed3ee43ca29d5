"""The audit service over gRPC: what the gateway and services tell it, and what it shows."""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.audit.v1 import audit_event_pb2, audit_service_pb2
from toolmesh_audit.redis_keys import RECORDS
from toolmesh_serving.admin_event import ADMIN_EVENTS_STREAM, admin_event_fields

SAY = "/toolmesh.workspace.v1.WorkspaceService/GetWorkspace"
KEY = "tmk_abcdefghijklmnop_" + "s3cr3t" * 7 + "x"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
START = 1_790_000_000


async def _list(audit: Any, **filters: Any) -> list[audit_event_pb2.AuditEvent]:
    """All events that fit, by way of all pages."""
    found: list[audit_event_pb2.AuditEvent] = []
    token = ""
    while True:
        request = audit_service_pb2.ListAuditEventsRequest(page_token=token, **filters)
        page = await audit.auditor.ListAuditEvents(request)
        found += page.audit_events
        token = page.next_page_token
        if not token:
            return found


async def _until_listed(audit: Any, count: int, **filters: Any) -> list[Any]:
    while len(found := await _list(audit, **filters)) < count:
        pass  # each look is a call, so others get their turn
    return found


async def test_a_call_is_shown_as_the_gateway_told_it(audit: Any) -> None:
    """Every member of the access log has its place, and the method's side effect is added."""
    await audit.export(
        {
            "time": START + 0.25,
            "id": "1",
            "request_id": "r-1",
            "subject": "ann",
            "session": "key:k1",
            "method": SAY,
            "http_method": "GET",
            "http_path": "/v1/workspaces/w",
            "http_status": 200,
            "grpc_status": "OK",
            "response_flags": "-",
            "details": "via_upstream",
            "duration_ms": 12,
            "peer": "10.0.0.9",
            "user_agent": "curl/8",
            "bytes_in": 3,
            "bytes_out": 5,
        }
    )
    event = (await _list(audit))[0]

    assert event.sequence == 1
    assert event.kind == audit_event_pb2.AUDIT_EVENT_KIND_CALL
    assert event.event_time.ToMicroseconds() == START * 1_000_000 + 250_000
    assert (event.request_id, event.subject, event.session) == ("r-1", "ann", "key:k1")
    assert event.outcome == audit_event_pb2.AUDIT_OUTCOME_ALLOWED
    call = event.call
    assert (call.method, call.side_effect) == (SAY, "READ")
    assert (call.http_method, call.http_path) == ("GET", "/v1/workspaces/w")
    assert (call.http_status, call.grpc_status, call.response_flags) == (200, "OK", "")
    assert (call.details, call.duration.ToMilliseconds()) == ("via_upstream", 12)
    assert (call.peer, call.user_agent) == ("10.0.0.9", "curl/8")
    assert (call.request_size_bytes, call.response_size_bytes) == (3, 5)
    assert event.previous_hash == "00" * 32


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (200, "OK", "ALLOWED"),
        (200, "-", "ALLOWED"),
        (200, "PERMISSION_DENIED", "DENIED"),
        (200, "UNAUTHENTICATED", "DENIED"),
        (401, "-", "DENIED"),
        (403, "-", "DENIED"),
        (429, "-", "DENIED"),
        (200, "NOT_FOUND", "FAILED"),
        (404, "-", "FAILED"),
        (503, "UNAVAILABLE", "FAILED"),
        (0, "-", "FAILED"),
    ],
)
async def test_how_a_call_ended(audit: Any, code: int, status: str, expected: str) -> None:
    """Refused is something else than failed."""
    await audit.export({"http_status": code, "grpc_status": status})
    event = (await _list(audit))[0]

    assert audit_event_pb2.AuditOutcome.Name(event.outcome) == f"AUDIT_OUTCOME_{expected}"


async def test_a_delivery_that_comes_again_is_not_recorded_again(audit: Any) -> None:
    """The gateway sends again what it thinks was lost; two calls that look alike have two ids."""
    await audit.export({"id": "1", "request_id": "same"}, {"id": "2", "request_id": "same"})
    await audit.export({"id": "1", "request_id": "same"}, {"id": "2", "request_id": "same"})
    await audit.export({"id": "3", "request_id": "same"})

    assert len(await _list(audit, request_id="same")) == 3


async def test_what_is_no_text_does_not_stop_a_delivery(audit: Any) -> None:
    """A caller's garbage is kept as garbage, cut short, and the other calls with it."""
    await audit.export(
        {"id": "1", "user_agent": b"bad\xff\xfe", "http_status": "many", "duration_ms": "-"},
        {"id": "2", "user_agent": "x" * 5000, "http_path": "/" + "p" * 5000, "subject": "ann"},
    )
    second, first = await _list(audit)

    assert first.call.user_agent == "bad\ufffd\ufffd"
    assert (len(second.call.user_agent), len(second.call.http_path)) == (256, 1024)


async def test_a_caller_cannot_write_other_lines(audit: Any) -> None:
    """A line feed in the last of them, which the gateway lets nobody send, stays in it."""
    await audit.export({"id": "1", "subject": "ann", "user_agent": "agent\nbob\n200"})
    (event,) = await _list(audit)

    assert (event.subject, event.call.user_agent) == ("ann", "agent\nbob\n200")


async def test_no_secret_gets_into_the_log(audit: Any, store: Any) -> None:
    """Keys and tokens are left out wherever a caller or a service put them."""
    await audit.export(
        {"id": "1", "request_id": KEY, "user_agent": f"agent {TOKEN}", "http_path": f"/v1/{KEY}"}
    )
    fields = admin_event_fields(
        "identity.api_key.create",
        KEY,
        before={"note": f"was {TOKEN}", "key_id": "k1"},
        after={"password": "hunter2", "nested": {"secret_hash": "abc"}, "token": TOKEN},
    )
    fields["delegate"] = "agent"
    garbled = {"action": f"x {KEY}", "after": f"no json {TOKEN}", "time": "soon"}
    await store.xadd(ADMIN_EVENTS_STREAM, fields)
    await store.xadd(ADMIN_EVENTS_STREAM, garbled)
    events = await _until_listed(audit, 3)
    kept = b"".join(fields[b"e"] for _, fields in await store.xrange(RECORDS))

    for secret in (KEY[21:], TOKEN.partition(".")[2], "hunter2", "abc"):
        assert secret.encode() not in kept
        assert secret not in str(fields)
    assert events[1].change.before["key_id"] == "k1"
    assert (events[1].subject, events[1].actor, events[0].actor) == ("system", "agent", "")
    assert events[1].change.after["password"] == "[removed]"


async def test_a_change_is_taken_from_the_transaction_that_made_it(audit: Any, store: Any) -> None:
    """A transaction that happens leaves its change and its event; one that does not, neither."""
    async with store.pipeline(transaction=True) as pipe:
        pipe.set("thing", "new")
        pipe.xadd(ADMIN_EVENTS_STREAM, admin_event_fields("x.thing.set", "t1", after={"v": 1}))
        await pipe.execute()
    async with store.pipeline(transaction=True) as pipe:
        await pipe.watch("thing")
        await store.set("thing", "changed meanwhile")
        pipe.multi()
        pipe.xadd(ADMIN_EVENTS_STREAM, admin_event_fields("x.thing.set", "t2"))
        with pytest.raises(Exception, match="changed"):
            await pipe.execute()
    await store.xadd(ADMIN_EVENTS_STREAM, admin_event_fields("x.thing.delete", "t3"))
    admin = audit_event_pb2.AUDIT_EVENT_KIND_ADMIN
    last, first = await _until_listed(audit, 2, kind=admin)

    assert (first.change.action, first.change.target, first.subject) == (
        "x.thing.set",
        "t1",
        "system",
    )
    assert first.change.after["v"] == 1
    assert not first.change.HasField("before")
    assert last.change.target == "t3"


async def test_a_garbled_change_stops_no_other(audit: Any, store: Any) -> None:
    """It is an event too, as far as it can be told."""
    for number, levels in enumerate((10, 60, 300, 900)):
        after = '{"a":' * levels + "1" + "}" * levels
        garbled = {"time": "nan", "action": "x", "target": f"{number}", "after": after}
        await store.xadd(ADMIN_EVENTS_STREAM, garbled)
    await store.xadd(ADMIN_EVENTS_STREAM, admin_event_fields("x.thing.set", "last"))
    events = await _until_listed(audit, 5)

    assert [event.change.target for event in events] == ["last", "3", "2", "1", "0"]
    assert all(abs(event.event_time.seconds - time.time()) < 600 for event in events)
    assert "[too deep]" in str(events[1].change.after)
    assert "[too deep]" not in str(events[4].change.after)


async def test_filters(audit: Any) -> None:
    """Each filter leaves out what does not fit it; together they leave what fits all."""
    await audit.export(
        {
            "id": "1",
            "time": START,
            "subject": "ann",
            "method": SAY,
            "http_status": 200,
            "request_id": "a",
        },
        {
            "id": "2",
            "time": START + 10,
            "subject": "bob",
            "method": SAY,
            "http_status": 403,
            "request_id": "b",
        },
        {"id": "3", "time": START + 90_000, "subject": "ann", "method": "/x", "http_status": 500},
    )

    async def ids(**filters: Any) -> list[int]:
        return [event.sequence for event in await _list(audit, **filters)]

    assert await ids() == [3, 2, 1]
    assert await ids(subject="ann") == [3, 1]
    assert await ids(method=SAY) == [2, 1]
    assert await ids(outcome=audit_event_pb2.AUDIT_OUTCOME_DENIED) == [2]
    assert await ids(outcome=audit_event_pb2.AUDIT_OUTCOME_FAILED) == [3]
    assert await ids(kind=audit_event_pb2.AUDIT_EVENT_KIND_ADMIN) == []
    assert await ids(request_id="b") == [2]
    assert await ids(subject="ann", method=SAY) == [1]
    assert await ids(start_time=Timestamp(seconds=START + 10)) == [3, 2]
    assert await ids(end_time=Timestamp(seconds=START + 10)) == [1]
    assert await ids(end_time=Timestamp(seconds=START - 200_000)) == []
    window = {
        "start_time": Timestamp(seconds=START + 5),
        "end_time": Timestamp(seconds=START + 11),
    }
    assert await ids(**window) == [2]


async def test_pages(audit: Any, failure_of: Any) -> None:
    """Pages follow each other without gap or repetition while new events come in."""
    await audit.export(*({"id": str(n), "subject": "ann"} for n in range(5)))
    request = audit_service_pb2.ListAuditEventsRequest(page_size=2, subject="ann")
    first = await audit.auditor.ListAuditEvents(request)
    await audit.export({"id": "new", "subject": "ann"})
    request.page_token = first.next_page_token
    second = await audit.auditor.ListAuditEvents(request)
    request.page_token = second.next_page_token
    third = await audit.auditor.ListAuditEvents(request)
    pages = [[event.sequence for event in page.audit_events] for page in (first, second, third)]

    assert pages == [[5, 4], [3, 2], [1]]
    assert third.next_page_token == ""
    request.subject = "bob"
    for token in (first.next_page_token, "x", "Zm9v"):
        request.page_token = token
        failure = await failure_of(audit.auditor.ListAuditEvents(request))
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
        )


@pytest.mark.parametrize(
    "times",
    [
        {"start_time": Timestamp(seconds=2), "end_time": Timestamp(seconds=1)},
        {"start_time": Timestamp(seconds=10**15)},
        {"end_time": Timestamp(seconds=-(10**15))},
    ],
)
async def test_times_that_cannot_be(audit: Any, failure_of: Any, times: Any) -> None:
    """An end before the start, and years that nobody lives in, are refused by field."""
    request = audit_service_pb2.ListAuditEventsRequest(**times)
    failure = await failure_of(audit.auditor.ListAuditEvents(request))

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TIME_INVALID")
    assert set(failure.fields) <= {"start_time", "end_time"}


async def test_verify_anchors_and_export(audit: Any, store: Any) -> None:
    """The check says what it found; anchors and exported lines suffice to do it elsewhere."""
    await audit.export(*({"id": str(n)} for n in range(700)))
    anchors = await audit.auditor.ListAuditAnchors(audit_service_pb2.ListAuditAnchorsRequest())
    request = audit_service_pb2.VerifyAuditRequest(anchors=anchors.audit_anchors)
    last = [answer async for answer in audit.auditor.VerifyAudit(request)][-1]
    assert (last.finished, last.valid, last.checked_count) == (True, True, 700)

    export = audit.auditor.ExportAuditEvents(audit_service_pb2.ExportAuditEventsRequest())
    lines = b"".join([answer.lines.data async for answer in export]).splitlines()
    previous = "00" * 32
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        event = line[line.index(b'"event":') + 8 : -1]
        content = f"{number}\n{record['time']}\n{previous}\n".encode() + event
        assert record["hash"] == hashlib.sha256(content).hexdigest()
        previous = record["hash"]
    assert (len(lines), previous) == (700, anchors.audit_anchors[-1].hash)

    await store.xdel(RECORDS, "345-0")
    last = [answer async for answer in audit.auditor.VerifyAudit(request)][-1]
    assert (last.finished, last.valid, last.bad_sequence) == (True, False, 345)
    assert last.fault == audit_service_pb2.AUDIT_FAULT_REMOVED


@pytest.mark.parametrize("role", ["viewer", "developer"])
async def test_only_auditors_and_administrators_may_look(
    audit: Any, token_of: Callable[..., Awaitable[str]], failure_of: Any, role: str
) -> None:
    """The log tells of everyone, so it is not for everyone."""
    metadata = [("authorization", f"Bearer {await token_of(role)}")]
    request = audit_service_pb2.ListAuditEventsRequest()
    failure = await failure_of(audit.auditor.ListAuditEvents(request, metadata=metadata))

    assert failure.reason == "SCOPE_MISSING"


async def test_what_cannot_be_kept_is_not_acknowledged(
    own_valkey: Any, run_audit: Any, failure_of: Any
) -> None:
    """Without Redis the gateway hears UNAVAILABLE and sends again; that is then recorded once.

    This Valkey keeps nothing over its restart, so the chain begins anew.
    """
    async with run_audit(f"unix://{own_valkey.unix_socket_path}") as audit:
        await audit.export({"id": "1"})
        own_valkey.stop()
        failure = await failure_of(audit.export({"id": "2"}))
        own_valkey.start()
        await audit.export({"id": "2"})
        await audit.export({"id": "2"})

        assert failure.code is grpc.StatusCode.UNAVAILABLE
        assert [event.sequence for event in await _list(audit)] == [1]


async def test_the_tail_begins_after_a_record_and_goes_on(audit: Any) -> None:
    """What is there after it comes first, then what is added, each event once."""
    await audit.export(*({"id": str(n), "method": SAY} for n in range(3)))
    await _until_listed(audit, 3)
    request = audit_service_pb2.TailAuditEventsRequest(after_sequence=1, follow_seconds=60)
    call = audit.auditor.TailAuditEvents(request)
    answers = aiter(call)
    assert (await anext(answers)).last_sequence == 1
    batch = await anext(answers)
    assert [event.sequence for event in batch.audit_events] == [2, 3]
    await audit.export({"id": "late", "method": SAY})
    batch = await anext(answers)
    assert [event.sequence for event in batch.audit_events] == [4]
    assert batch.last_sequence == 4
    call.cancel()


async def test_the_tail_without_waiting_ends_with_what_is_there(audit: Any) -> None:
    """It tells where to go on, also past events that do not fit."""
    calls = ({"id": str(n), "method": SAY, "subject": f"s{n % 2}"} for n in range(1200))
    await audit.export(*calls)
    await _until_listed(audit, 1200)
    request = audit_service_pb2.TailAuditEventsRequest(after_sequence=0, subject="s1")
    batches = [batch async for batch in audit.auditor.TailAuditEvents(request)]
    shown = [event.sequence for batch in batches for event in batch.audit_events]
    assert shown == [n + 1 for n in range(1200) if n % 2]
    assert batches[-1].last_sequence == 1200


async def test_the_tail_of_now_holds_nothing_old(audit: Any) -> None:
    """Without a record to begin after, the newest one is where it begins."""
    await audit.export({"id": "1", "method": SAY})
    await _until_listed(audit, 1)
    request = audit_service_pb2.TailAuditEventsRequest()
    batches = [batch async for batch in audit.auditor.TailAuditEvents(request)]
    assert [(len(batch.audit_events), batch.last_sequence) for batch in batches] == [(0, 1)]


async def test_the_check_tells_the_head_and_its_progress(audit: Any) -> None:
    """Who keeps the last hash has an anchor."""
    await audit.export(*({"id": str(n), "method": SAY} for n in range(5)))
    newest = (await _until_listed(audit, 5))[0]
    request = audit_service_pb2.VerifyAuditRequest()
    last = [answer async for answer in audit.auditor.VerifyAudit(request)][-1]
    assert (last.finished, last.valid, last.last_sequence) == (True, True, 5)
    assert last.last_hash == newest.hash
    assert (last.progress.done_count, last.progress.total_count) == (5, 5)
