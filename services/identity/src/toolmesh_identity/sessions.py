"""Sessions: what a sign-in begins, and the refresh tokens that keep it going."""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import orjson
import structlog

from toolmesh_identity.access_tokens import AccessToken, TokenMint
from toolmesh_identity.errors import RefreshTokenInvalid, SessionUnknown
from toolmesh_identity.holders import Holders
from toolmesh_identity.passwords import Passwords, sign_in_failed
from toolmesh_identity.revocation_log import queue_revocation
from toolmesh_identity.secret import Secret
from toolmesh_identity.user_records import USER_PREFIX, User, parse_user
from toolmesh_serving.redis_store import Store, change, note, reaching_store

_log = structlog.get_logger()

_TOKEN_FORM: Final = re.compile(r"tmr_([a-z2-7]{16})_([A-Za-z0-9_-]{22})([A-Za-z0-9_-]{43})")
_MAX_A_USER: Final = 100
_SESSION: Final = "session:"


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in that goes on. Times are seconds since the epoch.

    Attributes:
        uid: the random id of the user.
        refresh_hash: of the one refresh token that is good.
        end: when the session ends, refreshed or not; 0: only when it is not.
    """

    id: str
    subject: str
    uid: str
    create_time: float
    refresh_time: float
    expire_time: float
    refresh_hash: str
    end: float = 0


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its tokens, which are not kept."""

    session: Session
    access: AccessToken
    refresh_token: str


class Sessions:
    """The sessions of all users.

    Args:
        idle_seconds: a session ends when it is not refreshed for so long.
    """

    def __init__(
        self,
        store: Store,
        secret: Secret,
        *,
        holders: Holders,
        passwords: Passwords,
        mint: TokenMint,
        idle_seconds: int,
    ) -> None:
        self._store = store
        self._secret = secret
        self._holders = holders
        self._passwords = passwords
        self._mint = mint
        self._idle = idle_seconds

    async def sign_in(self, user_id: str, password: str, *, address: str) -> SignedIn:
        """Begins a session.

        Raises:
            SignInFailed: user and password do not belong together, or the user is suspended.
            TooManyAttempts: it was tried too often.
            Unavailable: Redis does not answer.
        """
        begun = time.time()
        await self._passwords.check(user_id, password, address=address)
        return await self.begin(user_id, refused=sign_in_failed(), proved=begun)

    async def begin(
        self,
        user_id: str,
        *,
        refused: Exception,
        proved: float | None = None,
        longest_seconds: float = 0,
    ) -> SignedIn:
        """Begins a session of a user who has proved who it is.

        Args:
            refused: what to raise when there is no such user, or it is suspended.
            proved: when what proves it was read, in seconds since the epoch; None: now. What was
                changed since then, such as the password, ends this session, too.
            longest_seconds: when the session ends, however often it is refreshed; 0: never.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            content = await self._store.get(USER_PREFIX + user_id)
        user = None if content is None else parse_user(content)
        if user is None or user.suspend_time:
            raise refused
        now = time.time()
        end = now + longest_seconds if longest_seconds else 0
        session_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        token, hashed = self._new_token(session_id)
        session = Session(
            id=session_id,
            subject=user_id,
            uid=user.uid,
            create_time=now if proved is None else proved,
            refresh_time=now,
            expire_time=self._expire_time(now, end),
            refresh_hash=hashed,
            end=end,
        )
        async with self._store.pipeline(transaction=True) as pipe:
            self._queue(pipe, session)
            note(pipe, "identity.session.begin", session_id, after={"user": user_id})
            with reaching_store():
                await pipe.execute()
        await self._end_oldest(user_id)
        return await self._signed_in(session, token, refused=refused)

    async def refresh(self, token: str) -> SignedIn:
        """Exchanges a refresh token for new tokens. One that was used before ends its session.

        Raises:
            RefreshTokenInvalid: it is not good.
            Unavailable: Redis does not answer.
        """
        form = _TOKEN_FORM.fullmatch(token)
        if form is None or not self._is_ours(form):
            raise _invalid()
        session_id, hashed = form[1], self._secret.hash(token).hex()

        async def work(pipe: Any) -> tuple[Session, str] | None:
            content = await pipe.get(_record_key(session_id))
            if content is None:
                raise _invalid()
            before = Session(**orjson.loads(content))
            if not hmac.compare_digest(before.refresh_hash, hashed):
                pipe.multi()
                _queue_end(pipe, before, why="refresh token used twice")
                return None
            new_token, new_hash = self._new_token(session_id)
            now = time.time()
            expire_time = self._expire_time(now, before.end)
            if expire_time <= now:
                raise _invalid()
            after = replace(
                before, refresh_hash=new_hash, refresh_time=now, expire_time=expire_time
            )
            pipe.multi()
            self._queue(pipe, after)
            return after, new_token

        refreshed = await change(self._store, work, _record_key(session_id))
        if refreshed is None:
            _log.warning("refresh token used twice", session=session_id)
            raise _invalid()
        return await self._signed_in(*refreshed, refused=_invalid())

    async def list(self, user_id: str) -> Sequence[Session]:
        """The sessions of a user that go on, newest first.

        Raises:
            Unavailable: Redis does not answer.
        """
        with reaching_store():
            ids = await self._store.zrevrange(_index(user_id), 0, _MAX_A_USER - 1)
            keys = [_record_key(each.decode()) for each in ids]
            records = await self._store.mget(keys) if keys else []
            user = await self._store.get(USER_PREFIX + user_id)
        sessions = [Session(**orjson.loads(record)) for record in records if record is not None]
        kept = None if user is None else parse_user(user)
        return [session for session in sessions if _goes_on(kept, session)]

    async def end(self, session_id: str, *, subject: str = "") -> None:
        """Ends a session and its tokens.

        Args:
            subject: whose it has to be; empty: anyone's.

        Raises:
            SessionUnknown: there is no such session.
            Unavailable: Redis does not answer.
        """

        async def work(pipe: Any) -> None:
            content = await pipe.get(_record_key(session_id))
            session = None if content is None else Session(**orjson.loads(content))
            if session is None or (subject and session.subject != subject):
                raise SessionUnknown(
                    f"there is no session {session_id}", metadata={"id": session_id}
                )
            pipe.multi()
            _queue_end(pipe, session, why="ended")

        await change(self._store, work, _record_key(session_id))

    async def end_of_token(self, session: str) -> None:
        """Ends the session that a token's `sid` names.

        Raises:
            SessionUnknown: it names none.
            Unavailable: Redis does not answer.
        """
        if not session.startswith(_SESSION):
            raise SessionUnknown("the token belongs to no session; revoke its API key instead")
        await self.end(session.removeprefix(_SESSION))

    async def _signed_in(self, session: Session, token: str, *, refused: Exception) -> SignedIn:
        holder = await self._holders.read(_record_key(session.id))
        user = holder.user
        if user is None or holder.record is None or not _goes_on(user, session):
            raise refused
        access = self._mint.mint(
            subject=session.subject,
            rights=holder.rights(_SESSION + session.id, end=session.expire_time),
            roles=user.roles,
            scopes=user.scopes(holder.roles),
        )
        return SignedIn(session=session, access=access, refresh_token=token)

    async def _end_oldest(self, user_id: str) -> None:
        with reaching_store():
            await self._store.zremrangebyscore(_index(user_id), 0, time.time() - self._idle)
            oldest = await self._store.zrange(_index(user_id), 0, -_MAX_A_USER - 1)
        for session_id in oldest:
            try:
                await self.end(session_id.decode())
            except SessionUnknown:
                with reaching_store():
                    await self._store.zrem(_index(user_id), session_id)

    def _expire_time(self, now: float, end: float) -> float:
        return min(now + self._idle, end or now + self._idle)

    def _queue(self, pipe: Any, session: Session) -> None:
        left = max(1, round(session.expire_time - session.refresh_time))
        pipe.set(_record_key(session.id), orjson.dumps(asdict(session)), ex=left)
        pipe.zadd(_index(session.subject), {session.id: session.refresh_time})
        pipe.expire(_index(session.subject), self._idle)

    def _new_token(self, session_id: str) -> tuple[str, str]:
        nonce = secrets.token_urlsafe(16)
        token = f"tmr_{session_id}_{nonce}{self._signature(session_id, nonce)}"
        return token, self._secret.hash(token).hex()

    def _is_ours(self, form: re.Match[str]) -> bool:
        return hmac.compare_digest(form[3], self._signature(form[1], form[2]))

    def _signature(self, session_id: str, nonce: str) -> str:
        signature = self._secret.sign_refresh(f"{session_id} {nonce}")
        return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def _goes_on(user: User | None, session: Session) -> bool:
    return (
        user is not None
        and user.uid == session.uid
        and not user.suspend_time
        and session.create_time > user.sessions_from
    )


def _queue_end(pipe: Any, session: Session, *, why: str) -> None:
    pipe.delete(_record_key(session.id))
    pipe.zrem(_index(session.subject), session.id)
    queue_revocation(pipe, "session", _SESSION + session.id)
    note(pipe, "identity.session.end", session.id, before={"user": session.subject, "why": why})


def _record_key(session_id: str) -> str:
    return f"identity:session:{session_id}"


def _index(user_id: str) -> str:
    return f"identity:sessions_of:{user_id}"


def _invalid() -> RefreshTokenInvalid:
    return RefreshTokenInvalid("the refresh token is not good; sign in again")
