"""Mints access tokens."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolmesh_contracts.call_rates import RATE_CLAIM, rate_claim
from toolmesh_identity.holders import Rights
from toolmesh_identity.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A minted token."""

    token: str
    scopes: tuple[str, ...]
    lifetime_seconds: int


class TokenMint:
    """Signs access tokens.

    Args:
        lifetime_seconds: how long they live.
    """

    def __init__(
        self, keys: SigningKeys, *, issuer: str, audience: str, lifetime_seconds: int
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime_seconds

    def mint(
        self, *, subject: str, rights: Rights, roles: Iterable[str], scopes: Iterable[str]
    ) -> AccessToken:
        """A token for a subject.

        Args:
            rights: what the token hangs on: ending any of it ends the token. How often it may be
                used goes into the token for Envoy, which counts.
        """
        now = int(time.time())
        lifetime = min(self._lifetime, int(rights.end) - now) if rights.end else self._lifetime
        granted = tuple(sorted(set(scopes)))
        token = self._keys.sign(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": subject,
                "sid": rights.session,
                **({"uid": rights.user} if rights.user else {}),
                # As text, since it has more digits than some readers of JSON keep.
                "rev": str(rights.revision),
                "jti": secrets.token_urlsafe(12),
                "scope": " ".join(granted),
                "roles": sorted(set(roles)),
                RATE_CLAIM: rate_claim(
                    rights.calls_per_minute,
                    key=rights.session,
                    of_key=rights.key_calls_per_minute,
                ),
                "iat": now,
                "exp": now + lifetime,
            }
        )
        return AccessToken(token=token, scopes=granted, lifetime_seconds=lifetime)

    def narrow(
        self, claims: Mapping[str, Any], *, changes: Mapping[str, Any], lifetime_seconds: int
    ) -> AccessToken:
        """A token that hangs on all that another one hangs on, and ends no later.

        Args:
            claims: of the other one; what is said nowhere else, such as limits, stays.
            changes: the claims that differ, with the cut `scope`.
            lifetime_seconds: the most that it lives.
        """
        now = int(time.time())
        end = min(int(claims["exp"]), now + lifetime_seconds)
        own = {"jti": secrets.token_urlsafe(12), "iat": now, "exp": end}
        token = self._keys.sign({**claims, **changes, **own})
        return AccessToken(
            token=token, scopes=tuple(changes["scope"].split()), lifetime_seconds=end - now
        )
