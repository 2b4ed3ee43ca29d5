"""Turns an API key into access tokens and keeps one fresh."""

import asyncio
import time

import grpc.aio

from toolmesh.identity.v1 import token_service_pb2, token_service_pb2_grpc

# A token is replaced when this much of its life is left, so that none ends on its way.
_RENEW_AT_SHARE = 0.2


class ApiKeyTokens:
    """A token source for an API key: exchanges it when needed, once for all concurrent calls.

    Args:
        channel: leads to the gateway or to the identity service; needs no token.
        api_key: `tmk_<id>_<secret>`.
    """

    def __init__(self, channel: grpc.aio.Channel, api_key: str) -> None:
        self._stub = token_service_pb2_grpc.TokenServiceStub(channel)
        self._api_key = api_key
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """An access token that is good for a while.

        Raises:
            grpc.aio.AioRpcError: the key was refused or identity does not answer.
        """
        if time.monotonic() < self._renew_at:
            return self._token
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                await self._exchange()
        return self._token

    async def _exchange(self) -> None:
        begun = time.monotonic()
        answer = await self._stub.ExchangeToken(
            token_service_pb2.ExchangeTokenRequest(api_key=self._api_key), timeout=10
        )
        lifetime = answer.expires_in.ToTimedelta().total_seconds()
        self._token = answer.access_token
        self._renew_at = begun + lifetime * (1 - _RENEW_AT_SHARE)
