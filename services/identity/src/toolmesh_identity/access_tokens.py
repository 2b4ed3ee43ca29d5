"""Mints access tokens."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

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
        self, *, subject: str, session: str, roles: Iterable[str], scopes: Iterable[str]
    ) -> AccessToken:
        """A token for a subject.

        Args:
            session: what the token hangs on, such as an API key: ending it ends its tokens.
        """
        now = int(time.time())
        granted = tuple(sorted(set(scopes)))
        token = self._keys.sign(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": subject,
                "sid": session,
                "jti": secrets.token_urlsafe(12),
                "scope": " ".join(granted),
                "roles": sorted(set(roles)),
                "iat": now,
                "exp": now + self._lifetime,
            }
        )
        return AccessToken(token=token, scopes=granted, lifetime_seconds=self._lifetime)
