"""Mints access tokens."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

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
            rights: what the token hangs on: ending any of it ends the token.
        """
        now = int(time.time())
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
                "iat": now,
                "exp": now + self._lifetime,
            }
        )
        return AccessToken(token=token, scopes=granted, lifetime_seconds=self._lifetime)
