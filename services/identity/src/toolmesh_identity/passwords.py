"""Passwords, hashed by Argon2id, and how often they may be tried."""

import asyncio
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from toolmesh_identity.errors import SignInFailed, TooManyAttempts
from toolmesh_identity.secret import Secret
from toolmesh_identity.user_records import PASSWORD_PREFIX
from toolmesh_serving.redis_store import Store, reaching_store

# OWASP's figures for Argon2id: 19 MiB, two passes, one lane.
_MEMORY_KIB: Final = 19 * 1024
_PASSES: Final = 2
# So many at once; each takes a core and its memory.
_AT_ONCE: Final = 2

# Counts an attempt before it is made, so that many at once are counted, too.
_COUNT: Final = """
local wait = 0
local counts = {}
for index, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  if count == 1 then redis.call('EXPIRE', key, ARGV[1]) end
  counts[index] = count
  if count > tonumber(ARGV[index + 1]) then wait = math.max(wait, redis.call('TTL', key)) end
end
return {wait, counts[1]}
"""
_FORGIVE: Final = """
redis.call('DEL', KEYS[1])
for index = 2, #KEYS do
  if redis.call('EXISTS', KEYS[index]) == 1 and redis.call('DECR', KEYS[index]) <= 0 then
    redis.call('DEL', KEYS[index])
  end
end
"""
_FREE_ATTEMPTS: Final = 3
_LONGEST_DELAY_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How many attempts to sign in are taken within `window_seconds`.

    Attributes:
        pair: of one user from one address.
        address: from one address, whatever the user.
        user: of one user, from wherever; more, so that a stranger cannot lock a user out easily.
        delay_seconds: what the fourth attempt of a pair has to wait; each further one twice that.
    """

    window_seconds: int = 900
    pair: int = 10
    address: int = 60
    user: int = 100
    delay_seconds: float = 0.25


class Attempts:
    """Limits and slows attempts to guess passwords."""

    def __init__(self, store: Store, secret: Secret, limits: AttemptLimits) -> None:
        self._secret = secret
        self._limits = limits
        self._count = store.register_script(_COUNT)
        self._forgive = store.register_script(_FORGIVE)

    async def begin(self, user_id: str, address: str) -> None:
        """Counts an attempt, and waits if there were a few.

        Raises:
            TooManyAttempts: there were too many.
            Unavailable: Redis does not answer.
        """
        limits = self._limits
        with reaching_store():
            wait, count = await self._count(
                keys=self._keys(user_id, address),
                args=[limits.window_seconds, limits.pair, limits.address, limits.user],
            )
        if wait:
            raise TooManyAttempts("too many attempts to sign in; wait", retry_after_seconds=wait)
        if count > _FREE_ATTEMPTS:
            delay = limits.delay_seconds * 2 ** (count - _FREE_ATTEMPTS - 1)
            await asyncio.sleep(min(delay, _LONGEST_DELAY_SECONDS))

    async def succeeded(self, user_id: str, address: str) -> None:
        """Forgets the attempts of a pair: this one was good.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            await self._forgive(keys=self._keys(user_id, address))

    def _keys(self, user_id: str, address: str) -> list[str]:
        # Hashed, since what is given for a user's id may be a password by mistake.
        named = {"pair": f"{user_id} {address}", "address": address, "user": user_id}
        return [
            f"identity:attempts:{kind}:{self._secret.hash(f'{kind} {text}').hex()[:32]}"
            for kind, text in named.items()
        ]


class Passwords:
    """Hashes and checks passwords, in threads."""

    def __init__(self, store: Store, secret: Secret, attempts: Attempts) -> None:
        self._store = store
        self._secret = secret
        self._attempts = attempts
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._nobodys = ""  # a hash of no password, made when it is first needed

    async def hash(self, password: str) -> str:
        """What is kept of a password; of an empty one nothing."""
        if not password:
            return ""
        return await self._in_thread(self._hasher.hash, self._peppered(password))

    async def check(self, user_id: str, password: str, *, address: str) -> None:
        """Checks a user's password. A user who is not there costs the same work.

        Raises:
            SignInFailed: they do not belong together.
            TooManyAttempts: it was tried too often.
            Unavailable: Redis does not answer.
        """
        await self._attempts.begin(user_id, address)
        if not self._nobodys:
            self._nobodys = await self._in_thread(self._hasher.hash, b"")
        with reaching_store():
            kept = await self._store.get(PASSWORD_PREFIX + user_id)
        stored = self._nobodys if kept is None else kept.decode()
        good = await self._in_thread(self._matches, stored, self._peppered(password))
        if not good or kept is None:
            raise sign_in_failed()
        await self._attempts.succeeded(user_id, address)

    def _matches(self, stored: str, peppered: bytes) -> bool:
        try:
            return self._hasher.verify(stored, peppered)
        except (VerificationError, InvalidHashError):
            return False

    def _peppered(self, password: str) -> bytes:
        # The same letters can be typed as different characters on different keyboards.
        return self._secret.pepper(unicodedata.normalize("NFKC", password))

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        async with self._room:
            return await asyncio.to_thread(work, *arguments)


def sign_in_failed() -> SignInFailed:
    """The one answer to everything that is wrong with a sign-in."""
    return SignInFailed("user and password do not belong together")
