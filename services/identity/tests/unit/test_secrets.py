"""The secret, what is sealed with it, and the files it lies in."""

import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from toolmesh_identity.roles import builtin_roles
from toolmesh_identity.secret import Secret, SecretError, write_private
from toolmesh_identity.signing_keys import SigningKeys


def test_a_private_file_is_written_once(tmp_path: Path) -> None:
    """Only its owner can read it, a second writer changes nothing, and no draft is left."""
    path = tmp_path / "new/folder/key"

    assert write_private(path, b"first")
    assert not write_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    """Whoever loses reads what the winner wrote, whole."""
    path = tmp_path / "key"
    with ThreadPoolExecutor(20) as threads:
        contents = [bytes([number]) * 4096 for number in range(20)]
        results = list(threads.map(partial(write_private, path), contents))

    assert sum(results) == 1
    assert path.read_bytes() == bytes([results.index(True)]) * 4096
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_that_is_there_is_only_read(tmp_path: Path) -> None:
    """A secret may be mounted into a folder where nothing can be written."""
    path = tmp_path / "mounted/secret.key"
    path.parent.mkdir()
    path.write_bytes(b"x" * 32)
    before = path.parent.stat().st_mtime_ns
    Secret.open(path)

    assert path.parent.stat().st_mtime_ns == before
    assert path.read_bytes() == b"x" * 32


def test_a_secret_is_made_when_there_is_none(tmp_path: Path) -> None:
    """Two starts have the same one; two meshes do not."""
    first = Secret.open(tmp_path / "a.key")

    assert Secret.open(tmp_path / "a.key").hash("text") == first.hash("text")
    assert Secret.open(tmp_path / "b.key").hash("text") != first.hash("text")


def test_what_was_sealed_is_opened_by_the_same_secret_alone() -> None:
    """Another secret, or a changed byte, is refused."""
    secret = Secret(b"x" * 32)
    sealed = secret.seal(b"private")

    assert secret.unseal(sealed) == b"private"
    assert b"private" not in sealed
    assert secret.seal(b"private") != sealed
    for other, content in ((Secret(b"y" * 32), sealed), (secret, sealed[:-4] + b"AAAA")):
        with pytest.raises(SecretError, match="another secret file"):
            other.unseal(content)


async def test_a_store_that_lost_a_signing_key_is_refused(store: Any) -> None:
    """Signing with another one would leave good tokens without a key."""
    secret = Secret(b"x" * 32)
    await SigningKeys.open(store, secret)
    await store.delete("identity:signing_keys")

    with pytest.raises(SecretError, match="names a signing key that it does not hold"):
        await SigningKeys.open(store, secret)


async def test_a_signing_key_of_another_kind_is_refused(store: Any) -> None:
    """ES256 needs an elliptic curve key."""
    secret = Secret(b"x" * 32)
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    await store.hset("identity:signing_keys", "odd", secret.seal(pem))
    await store.set("identity:signing_key", "odd")

    with pytest.raises(SecretError, match="signing key odd is not an elliptic curve key"):
        await SigningKeys.open(store, secret)


async def test_a_retired_signing_key_is_still_published(store: Any) -> None:
    """New tokens have the current key; those of the key before can still be verified."""
    secret = Secret(b"x" * 32)
    first = await SigningKeys.open(store, secret)
    await store.delete("identity:signing_key")
    second = await SigningKeys.open(store, secret)
    kids = [key["kid"] for key in second.key_set()["keys"]]

    assert len(kids) == 2
    assert first.key_set()["keys"][0]["kid"] == kids[1]


def test_roles_follow_the_verbs_of_scopes() -> None:
    """A scope joins the roles that its verb belongs to, whatever its service."""
    roles = builtin_roles(["new:use", "new:audit", "new:read", "new:write", "new:admin"])

    assert roles["viewer"].scopes == ("new:read",)
    assert roles["developer"].scopes == ("new:read", "new:use", "new:write")
    assert roles["auditor"].scopes == ("new:audit",)
    assert roles["admin"].scopes == ("new:admin", "new:audit", "new:read", "new:use", "new:write")
