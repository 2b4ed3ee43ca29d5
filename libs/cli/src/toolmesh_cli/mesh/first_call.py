"""Makes the call that a user would make first, to know that the whole way works."""

import asyncio

import grpc.aio

from toolmesh.identity.v1 import token_service_pb2 as pb
from toolmesh.identity.v1 import token_service_pb2_grpc
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.failures import CliError
from toolmesh_cli.mesh.folder import MeshFolder

_SECONDS_TO_TRY = 10.0
_SECONDS_BETWEEN_TRIES = 0.05


async def until_first_call(folder: MeshFolder, url: str) -> bool:
    """Asks through the gateway who the administrator is, until that is answered.

    Covers what no health check covers: that the gateway has the keys to verify tokens with.
    False when the administrator's key is refused, or there is none any more.
    """
    session = Session(url=url, api_key_file=folder.admin_key_file, environ={})
    try:
        async with asyncio.timeout(_SECONDS_TO_TRY), connected(session) as channel:
            stub = token_service_pb2_grpc.TokenServiceStub(channel)
            while not await _answers(stub):  # noqa: ASYNC110 - what is awaited is elsewhere
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
    except (TimeoutError, CliError):
        return False
    return True


async def _answers(stub: token_service_pb2_grpc.TokenServiceStub) -> bool:
    try:
        await stub.WhoAmI(pb.WhoAmIRequest(), timeout=2)
    except grpc.aio.AioRpcError:
        return False
    return True
