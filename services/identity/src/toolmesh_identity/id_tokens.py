"""Checks ID tokens of OpenID Connect issuers (OpenID Connect Core 1.0, section 3.1.3.7)."""

import hmac
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import jwt
import structlog

from toolmesh_identity.errors import IdTokenInvalid
from toolmesh_identity.external_issuers import ExternalIssuer
from toolmesh_identity.issuer_keys import IssuerKeys, open_issuer_keys
from toolmesh_identity.user_records import ExternalIdentity

_log = structlog.get_logger()

_REQUIRED_CLAIMS: Final = ["iss", "aud", "sub", "iat", "exp"]
_CLOCK_SKEW_SECONDS: Final = 60
_MAX_SUBJECT_CHARS: Final = 255
_MAX_NAME_CHARS: Final = 120
_EMAIL: Final = "email"


@dataclass(frozen=True, slots=True)
class Account:
    """Who an issuer says it is.

    Attributes:
        user: the name that the user gets when it is made; empty: the token has none.
        roles: those that the token's claims give; None: claims give none at this issuer.
    """

    issuer: ExternalIssuer
    external: ExternalIdentity
    user: str
    display_name: str
    roles: Sequence[str] | None


class _Refused(Exception):
    """Why a token is not good: for the log, not for the caller."""


class IdTokens:
    """Tells accounts by their ID tokens."""

    def __init__(self, issuers: Sequence[tuple[ExternalIssuer, IssuerKeys]]) -> None:
        self._issuers = {issuer.issuer: (issuer, keys) for issuer, keys in issuers}

    async def verify(self, token: str, *, nonce: str) -> Account:
        """The account that a token was made for.

        Args:
            nonce: what the token must have been asked for with; empty: anything.

        Raises:
            IdTokenInvalid: the token cannot be trusted.
            Unavailable: the issuer's keys cannot be had.
        """
        try:
            issuer, claims = await self._checked(token)
            _check_meant_for_us(claims, issuer, nonce=nonce)
        except (_Refused, jwt.PyJWTError) as error:
            _log.info("ID token refused", error=str(error))
            raise IdTokenInvalid(
                "the ID token is expired, altered, not meant for this mesh or of an issuer that it "
                "does not trust; sign in at the issuer again"
            ) from None
        return _account(claims, issuer)

    async def _checked(self, token: str) -> tuple[ExternalIssuer, Mapping[str, Any]]:
        header, unchecked = _parts(token)
        issuer, keys = self._issuers.get(unchecked["iss"], (None, None))
        if issuer is None or keys is None:
            raise _Refused("unknown issuer")
        # Before the key is looked for: a token that cannot be good must cause no fetch.
        if header.get("alg") not in issuer.algorithms:
            raise _Refused("algorithm not allowed")
        key = await keys.find(header.get("kid"))
        if key is None:
            raise _Refused("unknown key")
        return issuer, _signed_claims(token, key, issuer)


@asynccontextmanager
async def open_id_tokens(issuers: Sequence[ExternalIssuer]) -> AsyncGenerator[IdTokens]:
    """Checks ID tokens of those issuers."""
    async with AsyncExitStack() as stack:
        yield IdTokens(
            [(each, await stack.enter_async_context(open_issuer_keys(each))) for each in issuers]
        )


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    found = jwt.decode_complete(token, options={"verify_signature": False})
    header, claims = found["header"], found["payload"]
    if not isinstance(claims.get("iss"), str) or not isinstance(header.get("kid"), str | None):
        raise _Refused("issuer or key id is no text")
    return header, claims


def _signed_claims(token: str, key: jwt.PyJWK, issuer: ExternalIssuer) -> Mapping[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=list(issuer.algorithms),
        audience=issuer.audiences,
        issuer=issuer.issuer,
        leeway=_CLOCK_SKEW_SECONDS,
        options={"require": _REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
    )


def _check_meant_for_us(claims: Mapping[str, Any], issuer: ExternalIssuer, *, nonce: str) -> None:
    if not 0 < len(claims["sub"]) <= _MAX_SUBJECT_CHARS:
        raise _Refused("subject empty or too long")
    if time.time() - claims["iat"] > issuer.max_age_seconds + _CLOCK_SKEW_SECONDS:
        raise _Refused("too old")
    # A token for several was asked for by one of them, which must be us.
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if several and claims.get("azp") not in issuer.audiences:
        raise _Refused("asked for by another")
    if nonce and not hmac.compare_digest(nonce.encode(), str(claims.get("nonce", "")).encode()):
        raise _Refused("another nonce")
    verified = claims.get("email_verified")
    if verified is False or (issuer.user_claim == _EMAIL and verified is not True):
        raise _Refused("e-mail address not verified")


def _account(claims: Mapping[str, Any], issuer: ExternalIssuer) -> Account:
    name = claims.get(issuer.user_claim)
    display_name = claims.get("name")
    return Account(
        issuer=issuer,
        external=ExternalIdentity(issuer=issuer.issuer, subject=claims["sub"]),
        user=issuer.user_prefix + name if isinstance(name, str) and name else "",
        display_name=display_name[:_MAX_NAME_CHARS] if isinstance(display_name, str) else "",
        roles=_roles(claims, issuer) if issuer.role_claim else None,
    )


def _roles(claims: Mapping[str, Any], issuer: ExternalIssuer) -> Sequence[str]:
    found: Any = claims
    for name in issuer.role_claim:
        found = found.get(name) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    given = [issuer.roles.get(value, ()) for value in values if isinstance(value, str)]
    return sorted({*issuer.default_roles, *chain.from_iterable(given)})
