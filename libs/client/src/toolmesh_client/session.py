"""Turns the refresh tokens of a session into access tokens."""

from collections.abc import Awaitable, Callable

import grpc.aio

from toolmesh.identity.v1 import session_service_pb2, session_service_pb2_grpc
from toolmesh_client.fresh_tokens import FreshTokens


class SessionTokens(FreshTokens):
    """A token source for a session that a sign-in began.

    A refresh token is good once: one that is used by two ends the session. So a session belongs to
    one source, in one process.

    Args:
        channel: leads to the gateway or to the identity service; needs no token.
        refresh_token: `tmr_...`, not used before.
        keep: told each further refresh token, to write it down, before the access token that came
            with it is used.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        refresh_token: str,
        *,
        keep: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self._stub = session_service_pb2_grpc.SessionServiceStub(channel)
        self._refresh_token = refresh_token
        self._keep = keep

    async def _ask(self) -> tuple[str, float]:
        answer = await self._stub.RefreshSession(
            session_service_pb2.RefreshSessionRequest(refresh_token=self._refresh_token),
            timeout=10,
        )
        self._refresh_token = answer.refresh_token
        if self._keep is not None:
            await self._keep(answer.refresh_token)
        return answer.access_token, answer.expires_in.ToTimedelta().total_seconds()
