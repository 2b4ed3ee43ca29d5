"""Failures: what a caller and the log learn of each kind."""

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError, Unavailable


class TreeUnknown(ToolmeshError):
    """A foreseen failure with everything that one can have."""

    code = Code.NOT_FOUND
    reason = "TREE_UNKNOWN"


def raising(error: BaseException) -> dict[str, Any]:
    """A parrot that fails with `error`."""

    async def say(request: Any, context: Any) -> Any:
        raise error

    return {"Say": say}


async def say(served: Any, metadata: Any) -> Any:
    """Calls the parrot."""
    return await served.stub.Say(served.pb2.SayRequest(text="hi"), metadata=metadata)


async def test_a_foreseen_failure_tells_all_it_knows(
    serve: Any, bearer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """Code, reason, facts, fields and when to retry arrive; the log has the call alone."""
    error = TreeUnknown(
        "there is no such tree",
        metadata={"tree": "oak"},
        field_violations=[FieldViolation("tree", "name one that stands")],
        retry_after_seconds=1.5,
    )
    served = await serve(raising(error))
    failure = await failure_of(say(served, bearer))

    assert failure.code == grpc.StatusCode.NOT_FOUND
    assert failure.message == "there is no such tree"
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "TREE_UNKNOWN")
    assert failure.metadata == {"tree": "oak"}
    assert failure.fields == {"tree": "name one that stands"}
    assert failure.retry_seconds == 1.5
    assert [entry["event"] for entry in logs] == ["call"]


@pytest.mark.parametrize("letter", ["x", "é", "\x01", "%", "\U0001f600"])
async def test_a_failure_that_has_much_to_tell_arrives(
    serve: Any, bearer: Any, failure_of: Any, letter: str
) -> None:
    """What is too much for the trailers is cut, at the end, and the first fields are told."""
    error = TreeUnknown(
        f"no tree {letter * 5000}",
        metadata={"tree": letter * 5000, "wood": letter * 5000},
        field_violations=[FieldViolation(f"trees[{at}]", letter * at) for at in range(100)],
        retry_after_seconds=1.5,
    )
    served = await serve(raising(error))
    failure = await failure_of(say(served, bearer))

    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "TREE_UNKNOWN")
    assert failure.message.startswith(f"no tree {letter * 50}")
    assert failure.message.endswith("…")
    assert failure.metadata["tree"] == failure.metadata["wood"]
    assert failure.metadata["tree"].startswith(letter * 30)
    assert 10 <= len(failure.fields) < 100
    assert failure.fields["trees[9]"] == letter * 9
    assert failure.retry_seconds == 1.5


@pytest.mark.parametrize("code", list(Code))
async def test_every_code_arrives_as_it_is(
    code: Code, serve: Any, bearer: Any, failure_of: Any
) -> None:
    """A service's code is the caller's code."""
    kind = type("Failure", (ToolmeshError,), {"code": code, "reason": "TEST"})
    served = await serve(raising(kind("failed")))
    failure = await failure_of(say(served, bearer))

    assert failure.code.value[0] == int(code)
    assert failure.code.name == code.name


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the password is hunter2"),
        KeyError("hunter2"),
        AssertionError("hunter2"),
        NotImplementedError("hunter2"),
        ExceptionGroup("hunter2", [ValueError("hunter2")]),
        RecursionError("hunter2"),
    ],
)
async def test_an_unforeseen_failure_leaks_nothing(
    error: Exception, serve: Any, bearer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """The caller gets INTERNAL and a request id; the log has the cause under that id, once."""
    served = await serve(raising(error))
    failure = await failure_of(say(served, (("x-request-id", "r-1"), *bearer)))

    assert failure.code == grpc.StatusCode.INTERNAL
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "INTERNAL")
    assert failure.request_id == "r-1"
    assert "hunter2" not in failure.message
    (logged,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert logged["exc_info"] is error
    assert logged["request_id"] == "r-1"
    assert logged["method"] == "/toolmesh.parrot.v1.ParrotService/Say"
    assert [entry["event"] for entry in logs] == ["unforeseen failure", "call"]


async def test_the_service_lives_on_after_a_failure(
    serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """A call that fails does not touch the next one."""

    async def work(request: Any, context: Any) -> Any:
        if request.text == "fail":
            raise RuntimeError
        return parrot.pb2.SayResponse(text="well")

    served = await serve({"Say": work})
    request = parrot.pb2.SayRequest(text="fail")
    await failure_of(served.stub.Say(request, metadata=bearer))

    assert (await say(served, bearer)).text == "well"


async def test_work_that_ran_out_of_time_says_so(serve: Any, bearer: Any, failure_of: Any) -> None:
    """A timeout inside the work is the caller's timeout, too."""
    served = await serve(raising(TimeoutError("hunter2")))
    failure = await failure_of(say(served, bearer))

    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.reason == "DEADLINE_EXCEEDED"
    assert "hunter2" not in failure.message


def calling(downstream: Any, **options: Any) -> dict[str, Any]:
    """A parrot that asks another one, with its caller's metadata."""

    async def say(request: Any, context: Any) -> Any:
        token = dict(context.invocation_metadata())["authorization"]
        return await downstream.Say(request, metadata=(("authorization", token),), **options)

    return {"Say": say}


@pytest.mark.parametrize(
    "code",
    [
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
        Code.FAILED_PRECONDITION,
        Code.RESOURCE_EXHAUSTED,
        Code.OUT_OF_RANGE,
        Code.ABORTED,
        Code.ALREADY_EXISTS,
    ],
)
async def test_what_another_service_refused_is_passed_on_with_its_details(
    code: Code, serve: Any, bearer: Any, failure_of: Any
) -> None:
    """The caller learns the reason at its source."""
    kind = type("Refusal", (ToolmeshError,), {"code": code, "reason": "TREE_UNKNOWN"})
    error = kind("no tree", metadata={"tree": "oak"}, field_violations=[FieldViolation("a", "b")])
    downstream = await serve(raising(error))
    served = await serve(calling(downstream.stub))
    failure = await failure_of(say(served, bearer))

    assert failure.code.name == code.name
    assert failure.message == "no tree"
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "TREE_UNKNOWN")
    assert failure.metadata == {"tree": "oak"}
    assert failure.fields == {"a": "b"}


async def test_a_refusal_without_details_gets_some(
    serve: Any, bearer: Any, failure_of: Any
) -> None:
    """A server that is not of the mesh answers with a bare code; ours still has a reason."""
    server: Any = grpc.aio.server()  # the stubs lack the next method

    async def refuse(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, "bare")

    handler = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_registered_method_handlers("toolmesh.parrot.v1.ParrotService", {"Say": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        served = await serve({})
        stub = type(served.stub)(channel)
        failure = await failure_of(say(await serve(calling(stub)), bearer))
    await server.stop(None)

    assert (failure.code, failure.message) == (grpc.StatusCode.NOT_FOUND, "bare")
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "NOT_FOUND")


async def test_another_service_that_does_not_answer_may_be_tried_again(
    serve: Any, bearer: Any, failure_of: Any, unused_address: str
) -> None:
    """UNAVAILABLE says when to come back, not where the other service is."""
    async with grpc.aio.insecure_channel(unused_address) as channel:
        served = await serve({})
        stub = type(served.stub)(channel)
        failure = await failure_of(say(await serve(calling(stub)), bearer))

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert failure.retry_seconds == 1
    assert unused_address not in failure.message


async def test_another_service_that_is_too_slow_is_a_timeout(
    serve: Any, bearer: Any, failure_of: Any
) -> None:
    """DEADLINE_EXCEEDED of a call made for a call is its own."""

    async def hang(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    downstream = await serve({"Say": hang})
    failure = await failure_of(say(await serve(calling(downstream.stub, timeout=0.1)), bearer))

    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNIMPLEMENTED])
async def test_what_went_wrong_inside_another_service_is_our_failure(
    code: Code, serve: Any, bearer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """The caller can do nothing about it, so it is INTERNAL, and logged here as well."""
    kind = type("Broken", (ToolmeshError,), {"code": code, "reason": "HUNTER2"})
    downstream = await serve(raising(kind("hunter2")))
    failure = await failure_of(say(await serve(calling(downstream.stub)), bearer))

    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in failure.message
    assert "unforeseen failure" in [entry["event"] for entry in logs]


async def test_details_of_a_foreign_kind_are_passed_on(serve: Any, bearer: Any) -> None:
    """What another service says in details that we do not know reaches the caller whole."""
    quota = any_pb2.Any()
    quota.Pack(
        error_details_pb2.QuotaFailure(
            violations=[error_details_pb2.QuotaFailure.Violation(subject="ann")]
        )
    )
    status = Status(code=int(Code.RESOURCE_EXHAUSTED), message="enough", details=[quota])

    async def refuse(request: Any, context: Any) -> Any:
        await context.abort_with_status(rpc_status.to_status(status))

    server: Any = grpc.aio.server()  # the stubs lack the next method
    handler = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_registered_method_handlers("toolmesh.parrot.v1.ParrotService", {"Say": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = type((await serve({})).stub)(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await say(await serve(calling(stub)), bearer)
    await server.stop(None)
    failed: Any = caught.value

    assert rpc_status.from_call(failed) == status


async def test_keys_that_cannot_be_had_are_told_as_unavailable(
    serve: Any, bearer: Any, failure_of: Any
) -> None:
    """A service that starts before identity refuses calls as ones to try again."""

    async def fetch() -> dict[str, Any]:
        raise Unavailable("away")

    verifier = AccessTokenVerifier(FetchedKeys(fetch), issuer="i", audience="a")
    failure = await failure_of(say(await serve({}, verifier=verifier), bearer))

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert failure.retry_seconds == 1
