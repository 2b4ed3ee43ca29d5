"""The one secret of the service, and what is derived from it."""

import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

_SECRET_BYTES = 32


class SecretError(Exception):
    """The secret file cannot be used, or what it should open was sealed with another."""


def write_private(path: Path, content: bytes) -> bool:
    """Writes a new file that only its owner can read; False when there is one already.

    The file is whole or not there at all, also after a crash.
    """
    if path.exists():  # perhaps in a folder where nothing can be written, such as a mounted secret
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


class Secret:
    """Hashes API keys and seals signing keys.

    Args:
        master: at least 32 random bytes. A key for each use is derived from it, so that nothing
            made for one use serves another.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) < _SECRET_BYTES:
            raise SecretError(f"the secret has {len(master)} bytes, at least {_SECRET_BYTES}")
        self._hash_key = hmac.digest(master, b"toolmesh api key hash", sha256)
        self._password_key = hmac.digest(master, b"toolmesh password pepper", sha256)
        self._refresh_key = hmac.digest(master, b"toolmesh refresh token", sha256)
        self._box = Fernet(
            urlsafe_b64encode(hmac.digest(master, b"toolmesh signing key seal", sha256))
        )

    @classmethod
    def open(cls, path: Path) -> "Secret":
        """Reads the secret, making one when there is none.

        Raises:
            SecretError: the file is too short.
        """
        write_private(path, secrets.token_bytes(_SECRET_BYTES))
        return cls(path.read_bytes())

    def hash(self, text: str) -> bytes:
        """A keyed hash: of no use to who has it without the secret."""
        return hmac.digest(self._hash_key, text.encode(), sha256)

    def pepper(self, password: str) -> bytes:
        """A keyed hash of a password, to be hashed slowly: 32 bytes, however long it is."""
        return hmac.digest(self._password_key, password.encode(), sha256)

    def sign_refresh(self, text: str) -> bytes:
        """Proves that a refresh token is one of ours, also when it is no longer good."""
        return hmac.digest(self._refresh_key, text.encode(), sha256)

    def seal(self, content: bytes) -> bytes:
        """Encrypts and authenticates."""
        return self._box.encrypt(content)

    def unseal(self, sealed: bytes) -> bytes:
        """The content of what `seal` made.

        Raises:
            SecretError: it was sealed with another secret, or altered.
        """
        try:
            return self._box.decrypt(sealed)
        except InvalidToken:
            raise SecretError("the signing keys were sealed with another secret file") from None
