"""The keys of an issuer, found by its discovery document (OpenID Connect Discovery 1.0)."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import jwt
import orjson
import structlog

from toolmesh_identity.external_issuers import ExternalIssuer, is_safe_url
from toolmesh_serving.errors import Unavailable

_log = structlog.get_logger()

_FETCH_SECONDS: Final = 5.0  # both documents together
_MAX_DOCUMENT_BYTES: Final = 512 * 1024
_MAX_KEYS: Final = 100
_KINDS: Final = ("RSA", "EC", "OKP")  # asymmetric ones
# An issuer that withdraws a key is heard within this time.
_REFRESH_SECONDS: Final = 600.0
# However many tokens with unknown keys turn up, and whether or not the issuer answers.
_SECONDS_BETWEEN_FETCHES: Final = 10.0


class _Unusable(Exception):
    """What the issuer answered is of no use; the text says why."""


class IssuerKeys:
    """The public keys of one issuer, fetched when they are first needed, and again by age.

    While the issuer is away, those that are there stay good.
    """

    def __init__(self, issuer: str, client: httpx.AsyncClient) -> None:
        self._issuer = issuer
        self._client = client
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._refresh_at = 0.0
        self._next_fetch = 0.0
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of that id, or None. A token without an id is signed by the only key there is.

        Raises:
            Unavailable: no keys could be had so far.
        """
        # Who has a key need not wait until another call has looked for newer ones.
        if self._is_due(kid) and not (self._lock.locked() and self._held(kid)):
            async with self._lock:
                if self._is_due(kid):
                    await self._refresh()
        if not self._keys:
            raise Unavailable(
                f"the keys of {self._issuer} cannot be had; try again",
                retry_after_seconds=_SECONDS_BETWEEN_FETCHES,
            )
        return self._held(kid)

    def _held(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _is_due(self, kid: str | None) -> bool:
        now = time.monotonic()
        return now >= self._next_fetch and (now >= self._refresh_at or self._held(kid) is None)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                self._keys = await self._fetch()
        except (TimeoutError, _Unusable, httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            _log.warning("issuer's keys not fetched", issuer=self._issuer, error=reason)
        else:
            self._refresh_at = time.monotonic() + _REFRESH_SECONDS
        self._next_fetch = time.monotonic() + _SECONDS_BETWEEN_FETCHES

    async def _fetch(self) -> Mapping[str | None, jwt.PyJWK]:
        found = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise _Unusable("its discovery document is another issuer's")
        address = found.get("jwks_uri")
        if not isinstance(address, str) or not is_safe_url(address):
            raise _Unusable("its discovery document names no key set that is safe to fetch")
        keys = _usable(await self._get(address))
        if not keys:
            raise _Unusable("its key set has no key that is of use")
        return keys

    async def _get(self, url: str) -> Mapping[str, Any]:
        # Not compressed, so that little cannot grow into much.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise _Unusable(f"{url} answered {response.status_code}")
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > _MAX_DOCUMENT_BYTES:
                    raise _Unusable(f"{url} answered more than {_MAX_DOCUMENT_BYTES} bytes")
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise _Unusable(f"{url} answered no JSON") from None
        if not isinstance(document, dict):
            raise _Unusable(f"{url} answered no JSON object")
        return document


@asynccontextmanager
async def open_issuer_keys(issuer: ExternalIssuer) -> AsyncGenerator[IssuerKeys]:
    """The keys of an issuer, fetched when they are needed. No redirect is followed."""
    verify = ssl.create_default_context(cafile=issuer.ca_file) if issuer.ca_file else True
    # A proxy that leads to the web does not lead to this machine.
    async with httpx.AsyncClient(verify=verify, trust_env=not issuer.is_local) as client:
        yield IssuerKeys(issuer.issuer, client)


def _usable(key_set: Mapping[str, Any]) -> Mapping[str | None, jwt.PyJWK]:
    entries = key_set.get("keys")
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in entries[:_MAX_KEYS] if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") not in _KINDS:
            continue
        kid = entry.get("kid")
        if entry.get("use", "sig") != "sig" or not isinstance(kid, str | None):
            continue
        try:
            keys[kid] = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # of a form that this version does not know
    return keys
