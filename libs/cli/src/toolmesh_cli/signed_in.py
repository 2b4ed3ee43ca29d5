"""Who signed in to which mesh: tokens in a file that only its owner reads.

A refresh token is good for one use, and using it twice ends the session. So commands that run at
once take turns: who holds the lock refreshes, and the others read what it wrote.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from toolmesh_cli.pushed import state_folder

_FILE: Final = "sessions.json"
# A call that is made now must not meet the token's end on its way.
_SPARE_SECONDS: Final = 60.0
_SECONDS_BETWEEN_TRIES: Final = 0.02


@dataclass(frozen=True)
class SignedIn:
    """A session of a person with a mesh.

    Attributes:
        expires_at: when the access token ends, in seconds since the epoch.
    """

    user: str
    access_token: str
    refresh_token: str
    expires_at: float

    @property
    def is_fresh(self) -> bool:
        """Whether the access token is good for a while."""
        return time.time() < self.expires_at - _SPARE_SECONDS

    def refreshed(
        self, *, access_token: str, refresh_token: str, expires_in_seconds: float
    ) -> "SignedIn":
        """The same session with its next tokens."""
        return replace(
            self,
            access_token=access_token,
            refresh_token=refresh_token,
            expires_at=time.time() + expires_in_seconds,
        )


# Makes the next tokens of a session.
Refresh = Callable[[SignedIn], Awaitable[SignedIn]]


class SignedInFile:
    """The sessions of one person, by the mesh's URL."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._file = state_folder(environ) / _FILE

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return self._file

    def get(self, url: str) -> SignedIn | None:
        """The session with the mesh at `url`."""
        known = self._read().get(url)
        try:
            return SignedIn(**known) if known else None
        except TypeError:
            return None

    async def put(self, url: str, session: SignedIn | None) -> None:
        """Keeps a session; None forgets it."""
        async with self._locked():
            self._write(url, session)

    async def fresh(self, url: str, refresh: Refresh) -> SignedIn | None:
        """The session with an access token that is good for a while; None: it was forgotten.

        Raises:
            grpc.aio.AioRpcError: it cannot be refreshed.
        """
        session = self.get(url)
        if session is None or session.is_fresh:
            return session
        async with self._locked():
            session = self.get(url)
            if session is not None and not session.is_fresh:
                session = await refresh(session)
                self._write(url, session)
            return session

    @asynccontextmanager
    async def _locked(self) -> AsyncGenerator[None]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._file.with_suffix(".lock"), os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            known = orjson.loads(self._file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, url: str, session: SignedIn | None) -> None:
        known = self._read()
        known.pop(url, None)
        if session is not None:
            known[url] = asdict(session)
        draft = self._file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(orjson.dumps(known, option=orjson.OPT_INDENT_2))
        draft.replace(self._file)
