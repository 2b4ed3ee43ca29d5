"""How stages nest around a call."""

from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from toolmesh_serving.call import Call
from toolmesh_serving.errors import ScopeMissing, ToolmeshError
from toolmesh_serving.pipeline import Pipeline
from toolmesh_serving.stage import Stage
from toolmesh_serving.stages import ErrorStage


class Recorder(Stage):
    """Writes down when it is called, and fails where it is told to."""

    def __init__(self, name: str, trail: list[str], *, fail_at: str = "") -> None:
        self._name = name
        self._trail = trail
        self._fail_at = fail_at

    async def _begin(self) -> None:
        self._step("begin")

    def begin(self, call: Call) -> Any:
        """Waits, as a stage that fetches something does."""
        return self._begin()

    def message(self, call: Call, message: Any) -> None:
        """See `Stage`."""
        self._step("message")

    def end(self, call: Call) -> None:
        """See `Stage`."""
        self._trail.append(f"{self._name} end")

    def _step(self, step: str) -> None:
        self._trail.append(f"{self._name} {step}")
        if self._fail_at == step:
            raise ScopeMissing("stop")


async def walk(parrot: SimpleNamespace, stages: list[Stage], trail: list[str]) -> Any:
    """Sends one call through the stages; returns its code."""

    async def say(request: Any, context: Any) -> Any:
        trail.append("work")
        if request.text == "fail":
            raise ToolmeshError("failed")
        return parrot.pb2.SayResponse()

    instance = parrot.grpc.ParrotServiceServicer()
    instance.Say = say
    server = grpc.aio.server(interceptors=[Pipeline(stages, open_paths=frozenset())])
    parrot.grpc.add_ParrotServiceServicer_to_server(instance, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = parrot.grpc.ParrotServiceStub(channel)
            await stub.Say(parrot.pb2.SayRequest(text="hi"))
    except grpc.aio.AioRpcError as error:
        return error.code()
    finally:
        await server.stop(None)
    return grpc.StatusCode.OK


async def test_the_first_stage_begins_first_and_ends_last(parrot: SimpleNamespace) -> None:
    """Stages nest like the layers of an onion."""
    trail: list[str] = []
    stages: list[Stage] = [Recorder("outer", trail), Recorder("inner", trail)]

    assert await walk(parrot, stages, trail) == grpc.StatusCode.OK
    assert trail == [
        "outer begin",
        "inner begin",
        "outer message",
        "inner message",
        "work",
        "inner end",
        "outer end",
    ]


@pytest.mark.parametrize(
    ("fail_at", "expected"),
    [
        ("begin", ["outer begin", "inner begin", "outer end"]),
        (
            "message",
            [
                "outer begin",
                "inner begin",
                "outer message",
                "inner message",
                "inner end",
                "outer end",
            ],
        ),
    ],
)
async def test_a_stage_that_refuses_ends_those_outside_of_it(
    fail_at: str, expected: list[str], parrot: SimpleNamespace
) -> None:
    """What began is ended, what did not is not, and no work is done."""
    trail: list[str] = []
    stages: list[Stage] = [
        ErrorStage(),
        Recorder("outer", trail),
        Recorder("inner", trail, fail_at=fail_at),
    ]

    assert await walk(parrot, stages, trail) == grpc.StatusCode.PERMISSION_DENIED
    assert trail == expected


async def test_without_an_error_stage_nothing_is_told(parrot: SimpleNamespace) -> None:
    """A failure before the error stage began is INTERNAL and no more."""
    trail: list[str] = []
    stages: list[Stage] = [Recorder("outer", trail, fail_at="begin"), ErrorStage()]

    assert await walk(parrot, stages, trail) == grpc.StatusCode.INTERNAL
    assert trail == ["outer begin"]
