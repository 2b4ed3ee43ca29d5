"""Verifies access tokens: ES256 JWTs signed by the identity service."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
import structlog
from jwt.utils import base64url_decode

from toolmesh_serving.caller import Caller
from toolmesh_serving.errors import TokenInvalid, Unavailable
from toolmesh_serving.revocations import Revocations, marks_of

_ALGORITHM: Final = "ES256"
# Of the header. Whatever else identity may sign one day is no access token.
_TYPE: Final = "JWT"
_REQUIRED_CLAIMS: Final = ["iss", "aud", "sub", "sid", "jti", "scope", "iat", "exp"]
# How far the clock of who signs may be ahead of this one, as at the gateway. Tokens end on time.
_CLOCK_SKEW_SECONDS: Final = 5
_MAX_REVISION_DIGITS: Final = 20  # 64 bits
# A token of ours has under 2 kB. Longer ones are not even parsed.
_MAX_TOKEN_CHARS: Final = 8192
_CACHE_SIZE: Final = 4096
_SECONDS_BETWEEN_FETCHES: Final = 1.0
_REVOCATIONS_SECONDS: Final = 2.0

_log = structlog.get_logger()


class KeySource(Protocol):
    """Where the public keys come from."""

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id, or None.

        Raises:
            Unavailable: no keys could be had so far.
        """
        ...


class FetchedKeys:
    """Keys of a JSON Web Key Set that is fetched when an unknown key id turns up.

    What was fetched stays good while the source is away. Fetches are at least a second apart, so
    that tokens with invented key ids cause no storm.

    Args:
        fetch: returns the parsed key set.
    """

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._next_fetch = 0.0
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """See `KeySource`."""
        if kid not in self._keys:
            async with self._lock:
                if kid not in self._keys and time.monotonic() >= self._next_fetch:
                    await self._refresh()
        if not self._keys:
            raise Unavailable(
                "the signing keys cannot be had yet; try again", retry_after_seconds=1
            )
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        try:
            key_set = jwt.PyJWKSet.from_dict(await self._fetch())
        except Exception as error:
            _log.warning("keys not fetched", error=str(error))
            self._next_fetch = time.monotonic() + _SECONDS_BETWEEN_FETCHES
            return
        self._keys = {key.key_id: key for key in key_set.keys if key.key_id}
        self._next_fetch = time.monotonic() + _SECONDS_BETWEEN_FETCHES


@dataclass(frozen=True, slots=True)
class _Tie:
    """Something that a token hangs on: a revocation of these marks after `revision` ends it."""

    marks: tuple[bytes, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was good, and what may revoke it."""

    caller: Caller
    ties: tuple["_Tie", ...]


class AccessTokenVerifier:
    """Checks signature, issuer, audience, times and revocation of access tokens.

    Verified tokens are remembered until they end, so a caller's second call costs a look-up, and
    another one for each thing that may revoke it.

    Args:
        revocations: those that are known; None: there are none.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        revocations: Revocations | None = None,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._revocations = revocations or Revocations()
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    def recall(self, token: str) -> Caller | None:
        """The caller of a token that was verified before and has not ended."""
        verified = self._verified.get(token)
        if verified is None:
            return None
        if verified.caller.expires_at <= time.time() or self._revoked(verified):
            del self._verified[token]
            return None
        self._verified.move_to_end(token)
        return verified.caller

    async def verify(self, token: str) -> Caller:
        """The caller that a token speaks for.

        Raises:
            TokenInvalid: the token cannot be trusted.
            Unavailable: the keys to check it with, or what was revoked, cannot be had.
        """
        caller = self.recall(token)
        if caller is None:
            verified = _verified(token, await self._claims(token))
            if not await self._revocations.wait_known(_REVOCATIONS_SECONDS):
                raise Unavailable(
                    "what was revoked is not known yet; try again", retry_after_seconds=1
                )
            if self._revoked(verified):
                raise _invalid()
            caller = verified.caller
            self._verified[token] = verified
            if len(self._verified) > _CACHE_SIZE:
                self._verified.popitem(last=False)
        return caller

    def _revoked(self, verified: _Verified) -> bool:
        return any(self._revocations.revoked(tie.marks, tie.revision) for tie in verified.ties)

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_TOKEN_CHARS:
            raise _invalid()
        try:
            header = jwt.get_unverified_header(token)
            _check_names(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _invalid() from None
        kid = header.get("kid") if header.get("typ") == _TYPE else None
        key = await self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise _invalid()
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": _REQUIRED_CLAIMS},
            )
        except jwt.PyJWTError:
            raise _invalid() from None
        if float(claims["exp"]) <= time.time():
            raise _invalid()
        return claims


def _check_names(token: str) -> None:
    """Checks that no name is twice in an object: of two values, readers would take different ones.

    Raises:
        ValueError: one is, or a part is no JSON.
    """
    for part in token.split(".")[:2]:
        json.loads(base64url_decode(part), object_pairs_hook=_unique)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is twice in one object")
    return members


def _verified(token: str, claims: dict[str, Any]) -> _Verified:
    scope, roles, act = claims["scope"], claims.get("roles", []), claims.get("act")
    if not isinstance(scope, str) or not isinstance(roles, list):
        raise _invalid()
    names = tuple(str(role) for role in roles)
    actors = _actors(act)
    caller = Caller(
        subject=claims["sub"],
        roles=names,
        scopes=frozenset(scope.split()),
        expires_at=float(claims["exp"]),
        token=token,
        session=claims["sid"],
        user=claims.get("uid", ""),
        actor=actors[0]["sub"] if actors else "",
        workspaces=_workspaces(claims),
        claims=claims,
    )
    # What ends any of those who act ends the token, as what ends its subject does.
    ties = [_tie(claims, roles=names), *(_tie(actor) for actor in actors if "sid" in actor)]
    return _Verified(caller=caller, ties=tuple(ties))


def _actors(act: Any) -> list[dict[str, Any]]:
    """The claim `act` and those nested in it (RFC 8693, 4.1), the one who acts now first."""
    actors: list[dict[str, Any]] = []
    while act is not None:
        if not isinstance(act, dict) or not isinstance(act.get("sub"), str) or not act["sub"]:
            raise _invalid()
        actors.append(act)
        act = act.get("act")
    return actors


def _tie(claims: dict[str, Any], *, roles: tuple[str, ...] = ()) -> _Tie:
    session, user, revision = claims["sid"], claims.get("uid", ""), claims.get("rev", "0")
    if not all(isinstance(text, str) for text in (session, user, revision)):
        raise _invalid()
    if not (revision.isascii() and revision.isdigit() and len(revision) <= _MAX_REVISION_DIGITS):
        raise _invalid()
    marks = marks_of(session=session, user=user, roles=roles)
    return _Tie(marks=marks, revision=int(revision))


def _workspaces(claims: dict[str, Any]) -> frozenset[str] | None:
    if "workspaces" not in claims:
        return None
    ids = claims["workspaces"]
    # A claim that cannot be read must not widen what the token is good for.
    if not isinstance(ids, list) or not all(isinstance(each, str) and each for each in ids):
        raise _invalid()
    return frozenset(ids)


def _invalid() -> TokenInvalid:
    return TokenInvalid(
        "the access token is missing, garbled, expired or not meant for this mesh; get a new one "
        "with `toolmesh token` or POST /v1/tokens:exchange"
    )
