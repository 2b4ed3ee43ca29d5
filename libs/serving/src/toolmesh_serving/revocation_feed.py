"""How a service learns of tokens that ended before their time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import grpc.aio
import structlog

from toolmesh.identity.v1 import revocation_service_pb2, revocation_service_pb2_grpc
from toolmesh_serving.background import working
from toolmesh_serving.revocations import MAX_REVOCATIONS_AN_ANSWER, Revocations

_log = structlog.get_logger()

# Long enough to cost nothing, short enough to notice an identity service that went without a word.
_WAIT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 2.0
_SECONDS_BETWEEN_TRIES: Final = 0.1


@asynccontextmanager
async def following_revocations(channel: grpc.aio.Channel) -> AsyncGenerator[Revocations]:
    """Holds the revocations that the identity service knows, a moment after it knows them.

    While identity is away, what is known stays; once it is back, what was missed is made up for.
    """
    revocations = Revocations(known=False)
    async with working(_follow(channel, revocations)):
        yield revocations


async def _follow(channel: grpc.aio.Channel, revocations: Revocations) -> None:
    stub = revocation_service_pb2_grpc.RevocationServiceStub(channel)
    told = False
    while True:
        request = revocation_service_pb2.PollRevocationsRequest(
            after_sequence=revocations.last_sequence,
            wait_seconds=_WAIT_SECONDS if revocations.known else 0,
        )
        try:
            answer = await stub.PollRevocations(request, timeout=_WAIT_SECONDS + _ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            # At the start, whoever needs a key to verify with says that identity is away.
            if revocations.known and not told:
                _log.warning("revocations not followed", code=error.code().name)
            told = True
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            continue
        told = False
        # Where too many wait, answers come at once: who asked again at once would add to the load.
        pause = revocations.known and not answer.revocations
        revocations.keep_seconds = answer.keep.ToTimedelta().total_seconds()
        for revocation in answer.revocations:
            revocations.add(revocation.mark, revocation.sequence)
        if len(answer.revocations) < MAX_REVOCATIONS_AN_ANSWER:
            revocations.mark_known()
        if pause:
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
