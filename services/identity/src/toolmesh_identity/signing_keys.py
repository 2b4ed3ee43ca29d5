"""The keys that access tokens are signed with."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import jwt
import orjson
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from toolmesh_identity.secret import Secret, SecretError
from toolmesh_serving.background import working
from toolmesh_serving.errors import Unavailable
from toolmesh_serving.redis_store import Store, change, note, reaching_store

_log = structlog.get_logger()

_KEYS = "identity:signing_keys"  # hash: key id -> sealed private key
_CURRENT = "identity:signing_key"  # the id of the first key
_TIMES = "identity:signing_key_times"  # hash: key id -> when it was made, signs from, is dropped
_SECONDS_BETWEEN_READS = 5.0
# A key is published for as long as tokens that it signed may live, and for clocks that differ.
_LONGEST_TOKEN_SECONDS = 3600 + 120


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """The life of a key, in seconds since the epoch. `drop` 0: no end is set yet."""

    create: float = 0
    sign: float = 0
    drop: float = 0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A P-256 key and its id."""

    kid: str
    private: ec.EllipticCurvePrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JSON Web Key."""
        jwk = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}


class SigningKeys:
    """All live keys: one signs, the others are about to, or still verify what they signed.

    A new key is published before it signs, so that whoever keeps a copy of the key set has it by
    then. All replicas follow the same times, which lie in the store.

    Args:
        publish_seconds: how long a new key is published before it signs.
    """

    def __init__(self, store: Store, secret: Secret, *, publish_seconds: float) -> None:
        self._store = store
        self._secret = secret
        self._publish = publish_seconds
        self._keys: dict[bytes, SigningKey] = {}
        self._times: dict[bytes, KeyTimes] = {}

    @classmethod
    async def open(
        cls, store: Store, secret: Secret, *, publish_seconds: float = 900
    ) -> "SigningKeys":
        """Reads the keys, making the first one when there is none. Replicas get the same keys.

        Raises:
            Unavailable: Redis does not answer.
            SecretError: the keys were sealed with another secret.
        """
        keys = cls(store, secret, publish_seconds=publish_seconds)
        with reaching_store():
            if await store.get(_CURRENT) is None:
                await _make_first(store, secret)
        await keys.read()
        return keys

    async def read(self) -> None:
        """Takes over what another replica changed. Where that cannot be, the keys stay as they are.

        Raises:
            Unavailable: Redis does not answer.
            SecretError: a key was sealed with another secret, or the store lost its keys.
        """
        async with self._store.pipeline(transaction=True) as pipe:
            pipe.hgetall(_KEYS).hgetall(_TIMES).get(_CURRENT)
            with reaching_store():
                sealed, times, current = await pipe.execute()
        if current not in sealed:
            raise SecretError("the store names a signing key that it does not hold, or none")
        self._keys = {
            kid: self._keys.get(kid) or _unsealed(self._secret, kid, content)
            for kid, content in sealed.items()
        }
        # A key of before there were times signs if it is the current one, else it only verifies.
        self._times = {
            kid: _parse_times(times.get(kid), signs=kid == current) for kid in self._keys
        }

    async def rotate(self) -> tuple[str, float]:
        """Publishes a new key; returns its id and when it begins to sign.

        If one is published already and does not sign yet, it is that one.

        Raises:
            Unavailable: Redis does not answer.
        """

        async def work(pipe: Any) -> tuple[str, float]:
            now = time.time()
            held = await pipe.hgetall(_TIMES)
            times = {kid: _parse_times(content, signs=False) for kid, content in held.items()}
            for kid, each in times.items():
                if each.sign > now:
                    pipe.multi()
                    return kid.decode(), each.sign
            signer = self._signer().kid.encode()
            kid, sealed = _new_key(self._secret)
            sign = now + self._publish
            ending = replace(self._times[signer], drop=sign + _LONGEST_TOKEN_SECONDS)
            pipe.multi()
            pipe.hset(_KEYS, kid, sealed)
            pipe.hset(_TIMES, kid, orjson.dumps(asdict(KeyTimes(create=now, sign=sign))))
            pipe.hset(_TIMES, signer, orjson.dumps(asdict(ending)))
            pipe.set(_CURRENT, kid)
            note(pipe, "identity.signing_key.rotate", kid.decode(), after={"sign": sign})
            return kid.decode(), sign

        await self.read()
        rotated = await change(self._store, work, _KEYS, _TIMES)
        await self.read()
        return rotated

    async def follow(self, *, rotate_after_seconds: float) -> None:
        """Reads the keys again and again, rotates them by age and drops those that have ended."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_READS)
            try:
                await self.read()
                newest = max(times.create for times in self._times.values())
                if rotate_after_seconds and time.time() - newest > rotate_after_seconds:
                    await self.rotate()
                await self.drop_ended()
            except (Unavailable, SecretError) as error:
                _log.warning("signing keys not read", error=str(error))

    async def drop_ended(self) -> None:
        """Forgets keys whose tokens have all ended.

        Raises:
            Unavailable: Redis does not answer.
        """
        now = time.time()
        ended = [kid for kid, times in self._times.items() if 0 < times.drop <= now]
        if ended:
            with reaching_store():
                await self._store.hdel(_KEYS, *ended)
                await self._store.hdel(_TIMES, *ended)
            await self.read()

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT with these claims."""
        signer = self._signer()
        return jwt.encode(claims, signer.private, algorithm="ES256", headers={"kid": signer.kid})

    def key_set(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set; the one that signs comes first."""
        signer = self._signer()
        others = [key for key in self._keys.values() if key is not signer]
        return {"keys": [key.public_jwk() for key in (signer, *others)]}

    async def fetch(self) -> dict[str, Any]:
        """The key set, in the form that the token verifier asks for."""
        return self.key_set()

    def _signer(self) -> SigningKey:
        now = time.time()
        known = [(times.sign, kid) for kid, times in self._times.items()]
        # Where this clock is behind all others, the oldest.
        _, kid = max((each for each in known if each[0] <= now), default=min(known))
        return self._keys[kid]


def _parse_times(content: bytes | None, *, signs: bool) -> KeyTimes:
    if content is None:
        return KeyTimes(create=time.time(), sign=0 if signs else -1)
    return KeyTimes(**orjson.loads(content))


def _new_key(secret: Secret) -> tuple[bytes, bytes]:
    kid = f"{time.strftime('%Y%m%d')}-{secrets.token_hex(4)}".encode()
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return kid, secret.seal(pem)


async def _make_first(store: Store, secret: Secret) -> None:
    kid, sealed = _new_key(secret)
    await store.hset(_KEYS, kid, sealed)
    if await store.set(_CURRENT, kid, nx=True):
        now = time.time()
        times = KeyTimes(create=now, sign=now)
        await store.hset(_TIMES, kid, orjson.dumps(asdict(times)))
    else:  # another replica was first: its key holds
        await store.hdel(_KEYS, kid)


def _unsealed(secret: Secret, kid: bytes, sealed: bytes) -> SigningKey:
    private = serialization.load_pem_private_key(secret.unseal(sealed), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise SecretError(f"signing key {kid.decode()} is not an elliptic curve key")
    return SigningKey(kid=kid.decode(), private=private)


@asynccontextmanager
async def following_keys(
    keys: SigningKeys, *, rotate_after_seconds: float
) -> AsyncGenerator[SigningKeys]:
    """Keeps the keys as they are in the store; rotates them by age, 0: never."""
    async with working(keys.follow(rotate_after_seconds=rotate_after_seconds)):
        yield keys
