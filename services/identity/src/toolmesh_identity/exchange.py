"""Turns API keys into access tokens."""

import time
from collections import OrderedDict
from collections.abc import Sequence

from toolmesh_identity.access_tokens import AccessToken, TokenMint
from toolmesh_identity.api_keys import ApiKeys
from toolmesh_identity.errors import ScopeTooWide
from toolmesh_identity.holders import Rights
from toolmesh_identity.key_records import ApiKey
from toolmesh_serving.errors import FieldViolation

# The gateway exchanges a key at every call; signing anew each time would buy nothing.
_REUSE_SECONDS = 60
_CACHE_SIZE = 4096


class KeyExchange:
    """Gives access tokens to those who hold an API key."""

    def __init__(self, keys: ApiKeys, mint: TokenMint) -> None:
        self._keys = keys
        self._mint = mint
        # With the revision in what they are found by: a revocation may have ended any of them.
        self._reusable: OrderedDict[tuple[ApiKey, Rights], tuple[float, AccessToken]] = (
            OrderedDict()
        )

    async def exchange(self, api_key: str, scopes: Sequence[str]) -> AccessToken:
        """A new token that holds `scopes`, or all of the key's when that is empty.

        Raises:
            ApiKeyInvalid: the key may not be used.
            ScopeTooWide: the key does not hold all of `scopes`.
            Unavailable: Redis does not answer.
        """
        record, rights = await self._keys.check(api_key)
        for index, scope in enumerate(scopes):
            if scope not in record.scopes:
                raise ScopeTooWide(
                    f"the key does not hold the scope {scope!r}",
                    field_violations=[FieldViolation(f"scopes[{index}]", "the key lacks it")],
                )
        return self._token(record, rights, scopes or record.scopes)

    async def exchange_for_gateway(self, api_key: str) -> AccessToken:
        """A token with all of the key's scopes, perhaps one that was given out within a minute.

        The key itself is checked each time, so revoking it holds at once.

        Raises:
            ApiKeyInvalid: the key may not be used.
            Unavailable: Redis does not answer.
        """
        record, rights = await self._keys.check(api_key)
        now = time.monotonic()
        made, token = self._reusable.get((record, rights), (0.0, None))
        if token is None or now - made > _REUSE_SECONDS:
            token = self._token(record, rights, record.scopes)
            self._reusable[record, rights] = (now, token)
            if len(self._reusable) > _CACHE_SIZE:
                self._reusable.popitem(last=False)
        return token

    def _token(self, record: ApiKey, rights: Rights, scopes: Sequence[str]) -> AccessToken:
        return self._mint.mint(
            subject=record.subject,
            rights=rights,
            roles=record.roles,
            scopes=scopes,
        )
