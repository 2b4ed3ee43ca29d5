"""Access tokens that are kept for as long as they are good."""

import asyncio
import time
from abc import ABC, abstractmethod

# A token is replaced when this much of its life is left, so that none ends on its way.
_RENEW_AT_SHARE = 0.2


class FreshTokens(ABC):
    """A token source that asks for a token when one is needed, once for all concurrent calls."""

    def __init__(self) -> None:
        self._token = ""
        self._renew_at = 0.0
        self._renewing: asyncio.Task[str] | None = None

    async def __call__(self) -> str:
        """An access token that is good for a while.

        Raises:
            grpc.aio.AioRpcError: the credential was refused or identity does not answer.
        """
        if time.monotonic() < self._renew_at:
            return self._token
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(self._renewed)
        # A caller that gives up must not stop it: a refresh token that was sent is used up.
        return await asyncio.shield(self._renewing)

    def drop(self, token: str) -> None:
        """Forgets a token that was refused, so that the next call gets another."""
        if token == self._token:
            self._renew_at = 0.0

    @abstractmethod
    async def _ask(self) -> tuple[str, float]:
        """A new access token, and its life in seconds."""

    async def _renew(self) -> str:
        begun = time.monotonic()
        self._token, lifetime = await self._ask()
        self._renew_at = begun + lifetime * (1 - _RENEW_AT_SHARE)
        return self._token

    def _renewed(self, task: "asyncio.Task[str]") -> None:
        self._renewing = None
        if not task.cancelled():
            task.exception()  # seen, also when all who waited for it have given up
