"""The echo service, run as a process of its own behind the Envoy that is tested.

Its stubs are made from `tests/proto` when the tests start, so no type checker can know them.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.duration_pb2 import Duration

from toolmesh_serving.errors import Code, FieldViolation, ToolmeshError
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.server import Service, Servicer, run_service
from toolmesh_serving.settings import ServingSettings

pb: Any = importlib.import_module("toolmesh.echo.v1.echo_service_pb2")
rpc: Any = importlib.import_module("toolmesh.echo.v1.echo_service_pb2_grpc")

# What a request must never bring to a service.
_SECRET_HEADERS = ("authorization", "cookie", "x-api-key")


class AskedToFail(ToolmeshError):
    """The failure that the caller asked for."""

    reason = "ASKED_TO_FAIL"


class EchoServicer(rpc.EchoServiceServicer):
    """Says back what it hears."""

    async def Say(self, request: Any, context: Any) -> Any:
        """Answers with the text and with the headers as they arrived, credentials cut short."""
        await _pause(request.delay)
        if request.fail_with:
            raise _failure(Code(request.fail_with))
        headers = [
            f"{key}: {value[:12] if key in _SECRET_HEADERS else value}"
            for key, value in context.invocation_metadata()
        ]
        return pb.SayResponse(
            text_said=request.text_to_say,
            headers=headers if request.want_headers else [],
            padding="x" * request.padding_bytes,
        )

    async def SayTo(self, request: Any, context: Any) -> Any:
        """Answers with the room and the text."""
        return pb.SayToResponse(text=f"{request.room_name}: {request.text}")

    async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Counts."""
        for number in range(1, request.last + 1):
            yield pb.CountResponse(number=number)
            await _pause(request.pause)

    async def Forget(self, request: Any, context: Any) -> Any:
        """Does nothing."""
        return pb.ForgetResponse()

    async def Ping(self, request: Any, context: Any) -> Any:
        """Answers."""
        return pb.PingResponse(room=request.room)

    async def Whisper(self, request: Any, context: Any) -> Any:
        """Answers with the text."""
        return pb.WhisperResponse(text=request.text)

    async def Upload(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """Answers with what came, and how."""
        answer = pb.UploadResponse()
        async for request in requests:
            if answer.message_count == 0:
                answer.first_room = request.room
                answer.content_type = request.data.content_type
            answer.message_count += 1
            answer.size_bytes += len(request.data.data)
        return answer


async def _pause(pause: Duration) -> None:
    await asyncio.sleep(pause.seconds + pause.nanos / 1e9)


def _failure(code: Code) -> ToolmeshError:
    failure = type("Failure", (AskedToFail,), {"code": code})
    return failure(
        'it failed, "as asked"',
        metadata={"asked": "yes"},
        field_violations=[FieldViolation("fail_with", "must be 0")],
    )


@asynccontextmanager
async def open_service(settings: ServingSettings) -> AsyncGenerator[Service]:
    """Puts the service together."""
    async with open_verifier(settings) as verifier:
        servicer = Servicer(rpc.add_EchoServiceServicer_to_server, EchoServicer())
        yield Service(name="echo", servicers=(servicer,), verifier=verifier)


if __name__ == "__main__":
    run_service("echo", ServingSettings, open_service)
