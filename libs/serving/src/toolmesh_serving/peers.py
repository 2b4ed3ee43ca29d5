"""The other services of the mesh, as seen from one of them."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from opentelemetry import propagate

from toolmesh.identity.v1 import token_service_pb2, token_service_pb2_grpc
from toolmesh_client.channels import open_channel, service_address
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.call import current_call, remaining_seconds
from toolmesh_serving.caller import current_caller
from toolmesh_serving.revocation_feed import following_revocations
from toolmesh_serving.settings import ServingSettings

_FETCH_SECONDS = 2.0


def open_peer(settings: ServingSettings, service: str) -> grpc.aio.Channel:
    """A channel to another service, which is called in the name of the current caller.

    Calls carry the caller's own token, so the other service applies the same rules as if it had
    been called directly, and end when the call that they serve has to. Its request id and trace go
    along, so that logs and traces of all services can be put together.
    """

    async def callers_token() -> str:
        return current_caller().token

    return open_channel(
        service_address(settings.address_pattern, service),
        token=callers_token,
        time_left=remaining_seconds,
        forwarded=_forwarded,
    )


def _forwarded() -> dict[str, str]:
    carrier = {"x-request-id": current_call().request_id}
    propagate.inject(carrier)
    return carrier


@asynccontextmanager
async def open_verifier(settings: ServingSettings) -> AsyncGenerator[AccessTokenVerifier]:
    """A verifier whose keys come from the identity service when they are first needed.

    What is revoked there reaches it in well under a second.
    """
    address = service_address(settings.address_pattern, "identity")
    async with open_channel(address) as channel:
        stub = token_service_pb2_grpc.TokenServiceStub(channel)

        async def fetch() -> dict[str, Any]:
            request = token_service_pb2.GetJwksRequest()
            answer = await stub.GetJwks(request, timeout=_FETCH_SECONDS)
            return json.loads(answer.jwks.data)

        async with following_revocations(channel) as revocations:
            yield AccessTokenVerifier(
                FetchedKeys(fetch),
                issuer=settings.issuer,
                audience=settings.audience,
                revocations=revocations,
            )
