"""A parrot service; `parrot_main.py` runs it as a program of its own."""

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from pydantic import Field

from toolmesh_serving.peers import open_peer, open_verifier
from toolmesh_serving.server import Service, Servicer
from toolmesh_serving.settings import ServingSettings

# Generated when the tests run, so nothing that a type checker could find.
pb2: Any = importlib.import_module("toolmesh.parrot.v1.parrot_service_pb2")
pb2_grpc: Any = importlib.import_module("toolmesh.parrot.v1.parrot_service_pb2_grpc")


class Settings(ServingSettings):
    """Read from `TOOLMESH_*` in the environment."""

    parrot_mood: str = Field("good", description="`bad`: cannot start; `chatty`: logs.")
    parrot_store: str = Field("", description="A URL that nothing looks at.")


class Parrot(pb2_grpc.ParrotServiceServicer):
    """Repeats what it hears, asks another parrot, fails when told to."""

    def __init__(self, other: grpc.aio.Channel) -> None:
        self._other = pb2_grpc.ParrotServiceStub(other)

    async def Know(self, request: Any, context: Any) -> Any:
        """Has the other parrot say it in the caller's name; fails with a secret in its hands."""
        api_key = f"tmk_{'a2' * 8}_{'s3cret' * 7}x"
        if request.text == "fail":
            return {"key": api_key}[request.text]
        if request.text == "spawn":
            return pb2.SayResponse(text=await _echo("spawned"))
        return await self._other.Know(request)

    async def Chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        """Repeats each message."""
        async for request in requests:
            yield pb2.SayResponse(text=request.text)


async def _echo(text: str) -> str:
    program = await asyncio.create_subprocess_exec("echo", text, stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    return output.decode().strip()


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Opens the parrot."""
    if settings.parrot_mood == "bad":
        raise OSError("the parrot will not speak")
    if settings.parrot_mood == "chatty":
        logging.getLogger("library").info("a library chats")
        logging.getLogger("library").warning("a library %s", "warns")
    add = pb2_grpc.add_ParrotServiceServicer_to_server
    async with open_peer(settings, "other") as other, open_verifier(settings) as verifier:
        yield Service("parrot", servicers=(Servicer(add, Parrot(other)),), verifier=verifier)
