"""The pipeline around methods of all four kinds: order, field rules, deadlines, cancelling."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from toolmesh_serving.call import current_call, remaining_seconds
from toolmesh_serving.caller import current_caller
from toolmesh_serving.errors import Code, ToolmeshError

KINDS = ["Say", "Recite", "Gather", "Chat"]


class CrackersGone(ToolmeshError):
    """A foreseen failure of the parrot."""

    code = Code.FAILED_PRECONDITION
    reason = "CRACKERS_GONE"


async def answers(served: Any, kind: str, texts: list[str], **options: Any) -> list[str]:
    """Calls a method of any kind; returns what it said."""
    requests = [served.pb2.SayRequest(text=text) for text in texts]
    stream_in = kind in {"Gather", "Chat"}
    call = getattr(served.stub, kind)(iter(requests) if stream_in else requests[0], **options)
    if kind in {"Recite", "Chat"}:
        return [answer.text async for answer in call]
    return [(await call).text]


def parrots(parrot: SimpleNamespace, said: list[str] | None = None) -> dict[str, Any]:
    """Methods of all kinds that repeat what they hear, and fail at the word `fail`."""
    said = said if said is not None else []

    def answer(request: Any) -> Any:
        said.append(request.text)
        if request.text == "fail":
            raise CrackersGone("there are no crackers left")
        return parrot.pb2.SayResponse(text=f"{current_caller().subject}: {request.text}")

    async def say(request: Any, context: Any) -> Any:
        return answer(request)

    async def recite(request: Any, context: Any) -> AsyncIterator[Any]:
        for word in request.text.split():
            yield answer(parrot.pb2.SayRequest(text=word))

    async def gather(requests: Any, context: Any) -> Any:
        heard = [answer(request).text async for request in requests]
        return parrot.pb2.SayResponse(text="; ".join(heard))

    async def chat(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield answer(request)

    return {"Say": say, "Recite": recite, "Gather": gather, "Chat": chat}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Say", ["ann: a b"]),
        ("Recite", ["ann: a", "ann: b"]),
        ("Gather", ["ann: a b; ann: c"]),
        ("Chat", ["ann: a b", "ann: c"]),
    ],
)
async def test_methods_of_all_kinds_work(
    kind: str, expected: list[str], serve: Any, parrot: SimpleNamespace, bearer: Any
) -> None:
    """Each is called with its messages, knowing the caller."""
    served = await serve(parrots(parrot))

    assert await answers(served, kind, ["a b", "c"], metadata=bearer) == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_methods_of_all_kinds_are_guarded(
    kind: str, serve: Any, parrot: SimpleNamespace, failure_of: Any
) -> None:
    """None does any work without a token."""
    said: list[str] = []
    served = await serve(parrots(parrot, said))
    failure = await failure_of(answers(served, kind, ["a"]))

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    assert said == []


@pytest.mark.parametrize("kind", KINDS)
async def test_methods_of_all_kinds_fail_alike(
    kind: str, serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """A foreseen failure has its code and reason, also in the middle of a stream."""
    served = await serve(parrots(parrot))
    text = "a fail b" if kind == "Recite" else "fail"
    failure = await failure_of(answers(served, kind, [text], metadata=bearer))

    assert failure.code == grpc.StatusCode.FAILED_PRECONDITION
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "CRACKERS_GONE")
    assert failure.message == "there are no crackers left"


async def test_what_was_streamed_before_a_failure_arrives(
    serve: Any, parrot: SimpleNamespace, bearer: Any
) -> None:
    """The caller has the answers that came first, and then the error."""
    served = await serve(parrots(parrot))
    call = served.stub.Recite(served.pb2.SayRequest(text="a fail"), metadata=bearer)

    assert (await call.read()).text == "ann: a"
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()
    assert await call.code() == grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("kind", KINDS)
async def test_a_field_that_breaks_a_rule_is_named(
    kind: str, serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """The answer says of every field what is wrong, before any work is done."""
    said: list[str] = []
    served = await serve(parrots(parrot, said))
    request = served.pb2.SayRequest(tags=["abc", "abcd"])
    stream_in = kind in {"Gather", "Chat"}
    call = getattr(served.stub, kind)(iter([request]) if stream_in else request, metadata=bearer)
    failure = await failure_of(call if kind in {"Say", "Gather"} else call.read())

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert failure.fields == {
        "text": "is required",
        "tags[1]": "has 4 characters, at most 3",
    }
    assert failure.message == "text is required; tags[1] has 4 characters, at most 3"
    assert said == []


@pytest.mark.parametrize("kind", ["Gather", "Chat"])
async def test_each_message_of_a_stream_is_checked(
    kind: str, serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """A bad message after good ones ends the call, and the work never sees it."""
    said: list[str] = []
    served = await serve(parrots(parrot, said))
    failure = await failure_of(answers(served, kind, ["a", "b" * 21, "c"], metadata=bearer))

    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == {"text": "has 21 characters, at most 20"}
    assert said == ["a"]


async def test_only_the_first_of_many_violations_are_told(
    serve: Any, bearer: Any, failure_of: Any
) -> None:
    """The answer to a thousand mistakes stays small."""
    served = await serve({})
    request = served.pb2.SayRequest(text="a", tags=["abcd"] * 1000)
    failure = await failure_of(served.stub.Say(request, metadata=bearer))

    assert list(failure.fields) == [f"tags[{index}]" for index in range(20)]
    assert len(failure.message) < 200


@pytest.mark.parametrize("kind", ["Hurry", "Rush"])
async def test_the_timeout_of_a_method_ends_its_work(
    kind: str, serve: Any, bearer: Any, failure_of: Any
) -> None:
    """Work that goes on for ever is cancelled, though the caller states no deadline."""
    ended = asyncio.Event()

    async def hang(request: Any, context: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def hang_streaming(request: Any, context: Any) -> AsyncIterator[Any]:
        yield await hang(request, context)

    served = await serve({"Hurry": hang, "Rush": hang_streaming})
    call = getattr(served.stub, kind)(served.pb2.SayRequest(text="hi"), metadata=bearer)
    failure = await failure_of(call if kind == "Hurry" else call.read())

    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.reason == "DEADLINE_EXCEEDED"
    assert ended.is_set()


@pytest.mark.parametrize(("kind", "said"), [("Rush", "in time"), ("Lecture", "taken for 1 s")])
async def test_a_caller_that_reads_too_late_hears_so(
    kind: str,
    said: str,
    serve: Any,
    parrot: SimpleNamespace,
    bearer: Any,
    logs: list[Any],
    failure_of: Any,
) -> None:
    """Work whose answers nobody reads ends in the method's time, or in that of one answer."""
    recite, ended = _without_end(parrot)
    served = await serve({kind: recite})
    call = getattr(served.stub, kind)(served.pb2.SayRequest(text="hi"), metadata=bearer)
    await ended.wait()
    failure = await failure_of(_read_all(call))

    assert (failure.code, failure.reason) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
    )
    assert said in failure.message
    assert [(entry["event"], entry["code"]) for entry in logs] == [("call", "DEADLINE_EXCEEDED")]


async def test_a_caller_that_reads_slowly_hears_all(
    serve: Any, parrot: SimpleNamespace, bearer: Any
) -> None:
    """Each answer has its own time to be read: together they may take longer."""

    async def lecture(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(40):
            yield parrot.pb2.SayResponse(text=f"{number:02}" + "x" * 100_000)

    served = await serve({"Lecture": lecture})
    call = served.stub.Lecture(served.pb2.SayRequest(text="hi"), metadata=bearer)
    heard: list[str] = []
    started = time.monotonic()
    async for response in call:
        heard.append(response.text[:2])
        await asyncio.sleep(0.04)  # it is to be slow
    assert time.monotonic() - started > 1
    assert heard == [f"{number:02}" for number in range(40)]


def _without_end(parrot: SimpleNamespace) -> tuple[Any, asyncio.Event]:
    """Work that streams answers until it is ended, and what tells that it was."""
    ended = asyncio.Event()

    async def recite(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield parrot.pb2.SayResponse(text="x" * 100_000)
        finally:
            ended.set()

    return recite, ended


async def _read_all(call: Any) -> list[Any]:
    return [response async for response in call]


async def test_some_time_is_kept_back_from_the_deadline(
    serve: Any, parrot: SimpleNamespace, bearer: Any
) -> None:
    """The work has 20 ms less than the caller gave, for the answer to arrive in time."""
    kept_back = []

    async def say(request: Any, context: Any) -> Any:
        given = context.time_remaining()
        kept_back.append(given - remaining_seconds())
        return parrot.pb2.SayResponse()

    served = await serve({"Say": say, "Hurry": say})
    request = served.pb2.SayRequest(text="hi")
    await served.stub.Say(request, metadata=bearer, timeout=20)
    await served.stub.Hurry(request, metadata=bearer, timeout=20)

    assert kept_back[0] >= 0.0199
    # The method's own timeout of 0.2 s is shorter than the caller's.
    assert kept_back[1] >= 19


async def test_work_that_cannot_end_in_time_is_not_begun(
    serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """With less than 50 ms left, the caller hears so, and nothing is done."""
    said: list[str] = []
    served = await serve(parrots(parrot, said))
    # Opens the connection, which may take long.
    await answers(served, "Say", ["first"], metadata=bearer)
    reason = ""
    while not reason:  # on a slow machine the client may give up before it hears the reason
        call = answers(served, "Say", ["late"], metadata=bearer, timeout=0.049)
        failure = await failure_of(call)
        assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
        reason = failure.reason

    assert reason == "DEADLINE_TOO_SHORT"
    assert said == ["first"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_that_leaves_ends_the_work(
    kind: str, serve: Any, parrot: SimpleNamespace, bearer: Any, logs: list[Any]
) -> None:
    """The work is cancelled, wherever it is, and the call is logged as cancelled."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(*_: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def hang_streaming(*_: Any) -> AsyncIterator[Any]:
        yield parrot.pb2.SayResponse(text="first")
        yield await hang()

    work = {"Say": hang, "Recite": hang_streaming, "Gather": hang, "Chat": hang_streaming}
    served = await serve(work)
    request = served.pb2.SayRequest(text="hi")
    stream_in = kind in {"Gather", "Chat"}
    call = getattr(served.stub, kind)(iter([request]) if stream_in else request, metadata=bearer)
    await begun.wait()
    call.cancel()
    await ended.wait()
    # Served after the cancelled call, so that its log line is there.
    await served.server.drain(drain_seconds=0, grace_seconds=5)

    assert [(entry["event"], entry["code"]) for entry in logs] == [("call", "CANCELLED")]


async def test_a_caller_that_leaves_while_an_answer_is_sent_ends_the_work(
    serve: Any, parrot: SimpleNamespace, bearer: Any, logs: list[Any]
) -> None:
    """A stream that nobody reads is ended, not kept for ever."""
    recite, ended = _without_end(parrot)
    served = await serve({"Recite": recite})
    call = served.stub.Recite(served.pb2.SayRequest(text="hi"), metadata=bearer)
    await call.read()
    call.cancel()
    await ended.wait()
    await served.server.drain(drain_seconds=0, grace_seconds=5)

    assert [(entry["event"], entry["code"]) for entry in logs] == [("call", "CANCELLED")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("", False), ("x" * 129, False), ("x" * 128, True), (None, False)],
)
async def test_the_request_id_is_taken_or_made(
    given: str | None,
    kept: bool,
    serve: Any,
    parrot: SimpleNamespace,
    bearer: Any,
) -> None:
    """An id from the gateway goes on if it can be printed on a log line."""
    ids = []

    async def say(request: Any, context: Any) -> Any:
        ids.append(current_call().request_id)
        return parrot.pb2.SayResponse()

    served = await serve({"Say": say})
    metadata = bearer if given is None else (("x-request-id", given), *bearer)
    await answers(served, "Say", ["hi"], metadata=metadata)

    assert (ids[0] == given) is kept
    assert 0 < len(ids[0]) <= 128


async def test_each_call_is_logged_once(
    serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """With method, code, time, request id and subject, whatever became of it."""
    served = await serve(parrots(parrot))
    metadata = (("x-request-id", "r-1"), *bearer)
    await answers(served, "Say", ["hi"], metadata=metadata)
    await failure_of(answers(served, "Say", ["fail"], metadata=metadata))
    await failure_of(answers(served, "Say", ["hi"], metadata=(("x-request-id", "r-2"),)))

    assert all(entry.pop("millis") >= 0 for entry in logs)
    path = "/toolmesh.parrot.v1.ParrotService/Say"
    common = {"event": "call", "log_level": "info", "method": path}
    assert logs == [
        common | {"code": "OK", "request_id": "r-1", "subject": "ann"},
        common | {"code": "FAILED_PRECONDITION", "request_id": "r-1", "subject": "ann"},
        common | {"code": "UNAUTHENTICATED", "request_id": "r-2", "subject": ""},
    ]


async def test_calls_at_the_same_time_know_their_own_callers(
    serve: Any, parrot: SimpleNamespace, signer: Any
) -> None:
    """Nothing of one call is seen by another."""
    here = asyncio.Barrier(10)

    async def say(request: Any, context: Any) -> Any:
        async with here:
            pass
        return parrot.pb2.SayResponse(text=current_caller().subject)

    served = await serve({"Say": say})
    names = [f"user{number}" for number in range(10)]
    heard = await asyncio.gather(
        *(
            answers(
                served,
                "Say",
                ["hi"],
                metadata=(("authorization", f"Bearer {signer.token(sub=name)}"),),
            )
            for name in names
        )
    )

    assert heard == [[name] for name in names]


async def test_outside_of_a_call_there_is_none() -> None:
    """Code that runs at start has no call, no caller and no deadline."""
    assert remaining_seconds() is None
    with pytest.raises(LookupError):
        current_call()
    with pytest.raises(LookupError):
        current_caller()
