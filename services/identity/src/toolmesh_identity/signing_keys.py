"""The keys that access tokens are signed with."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from toolmesh_identity.secret import Secret, SecretError
from toolmesh_serving.redis_store import Store, reaching_store

_KEYS = "identity:signing_keys"  # hash: key id -> sealed private key
_CURRENT = "identity:signing_key"  # the key id that new tokens are signed with


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
    """All live keys; the first signs, the others still verify what they signed."""

    def __init__(self, keys: tuple[SigningKey, ...]) -> None:
        self._keys = keys

    @classmethod
    async def open(cls, store: Store, secret: Secret) -> "SigningKeys":
        """Reads the keys, making the first one when there is none. Replicas get the same keys.

        Raises:
            Unavailable: Redis does not answer.
            SecretError: the keys were sealed with another secret.
        """
        with reaching_store():
            current = await store.get(_CURRENT)
            if current is None:
                current = await _make_first(store, secret)
            sealed: dict[bytes, bytes] = await store.hgetall(_KEYS)
        keys = {kid: _unsealed(secret, kid, content) for kid, content in sealed.items()}
        if current not in keys:
            raise SecretError("the store names a signing key that it does not hold")
        signer = keys.pop(current)
        return cls((signer, *keys.values()))

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT with these claims."""
        signer = self._keys[0]
        return jwt.encode(claims, signer.private, algorithm="ES256", headers={"kid": signer.kid})

    def key_set(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set."""
        return {"keys": [key.public_jwk() for key in self._keys]}

    async def fetch(self) -> dict[str, Any]:
        """The key set, in the form that the token verifier asks for."""
        return self.key_set()


async def _make_first(store: Store, secret: Secret) -> bytes:
    kid = f"{time.strftime('%Y%m%d')}-{secrets.token_hex(4)}".encode()
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    await store.hset(_KEYS, kid, secret.seal(pem))
    if await store.set(_CURRENT, kid, nx=True):
        return kid
    # Another replica was first: use its key.
    await store.hdel(_KEYS, kid)
    current = await store.get(_CURRENT)
    if current is None:
        raise SecretError("the store lost its signing key")
    return current


def _unsealed(secret: Secret, kid: bytes, sealed: bytes) -> SigningKey:
    private = serialization.load_pem_private_key(secret.unseal(sealed), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise SecretError(f"signing key {kid.decode()} is not an elliptic curve key")
    return SigningKey(kid=kid.decode(), private=private)
