"""Turns an API key into access tokens."""

import grpc.aio

from toolmesh.identity.v1 import token_service_pb2, token_service_pb2_grpc
from toolmesh_client.fresh_tokens import FreshTokens


class ApiKeyTokens(FreshTokens):
    """A token source for an API key.

    Args:
        channel: leads to the gateway or to the identity service; needs no token.
        api_key: `tmk_<id>_<secret>`.
    """

    def __init__(self, channel: grpc.aio.Channel, api_key: str) -> None:
        super().__init__()
        self._stub = token_service_pb2_grpc.TokenServiceStub(channel)
        self._api_key = api_key

    async def _ask(self) -> tuple[str, float]:
        answer = await self._stub.ExchangeToken(
            token_service_pb2.ExchangeTokenRequest(api_key=self._api_key), timeout=10
        )
        return answer.access_token, answer.expires_in.ToTimedelta().total_seconds()
