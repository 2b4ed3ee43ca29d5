"""An OpenID Connect issuer on this machine: it stands for one that is remote and not ours."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/keys"


class FakeIssuer:
    """Speaks as much of the protocol as a sign-in needs, and misbehaves when told to.

    Attributes:
        url: the issuer's.
        fetched: the paths that it was asked for.
        answers: by path, what it answers instead: a whole HTTP answer, or a function that makes
            one and may take its time.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://localhost:{port}"
        self.fetched: list[str] = []
        self.answers: dict[str, bytes | Callable[[], Awaitable[bytes]]] = {}
        self.private: dict[str, Any] = {}
        self.published: list[dict[str, Any]] = []
        self.add_key("key-1")

    def add_key(self, kid: str, *, bits: int = 2048) -> None:
        """Publishes another key."""
        self.private[kid] = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        public = json.loads(RSAAlgorithm.to_jwk(self.private[kid].public_key()))
        self.published.append({**public, "kid": kid, "use": "sig", "alg": "RS256"})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a token says; a claim that is None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "toolmesh",
            "sub": "00u1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "ann",
            "name": "Ann Example",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "key-1", **changes: Any) -> str:
        """A token as it should be, but for `changes`."""
        headers = {"kid": kid}
        return jwt.encode(self.claims(**changes), self.private[kid], "RS256", headers=headers)

    async def answer(self, path: str) -> bytes:
        """The whole answer to a request."""
        self.fetched.append(path)
        instead = self.answers.get(path)
        if instead is not None:
            return instead if isinstance(instead, bytes) else await instead()
        if path == CONFIGURATION:
            return http_answer({"issuer": self.url, "jwks_uri": self.url + KEYS})
        if path == KEYS:
            return http_answer({"keys": self.published})
        return http_answer({}, status="404 Not Found")


def http_answer(content: object, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole HTTP answer, of JSON or of bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n"
    return head.encode() + body


@pytest.fixture(name="http_answer")
def _http_answer() -> Callable[..., bytes]:
    """Makes an HTTP answer: `http_answer(content, status=..., headers=...)`."""
    return http_answer


@pytest.fixture
async def open_issuer() -> AsyncGenerator[Callable[..., Awaitable[FakeIssuer]]]:
    """Starts an issuer: `await open_issuer()`; with `tls` by HTTPS."""
    async with AsyncExitStack() as stack:

        async def open_issuer(*, tls: ssl.SSLContext | None = None) -> FakeIssuer:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await issuer.answer(head.split()[1].decode()))
                    await writer.drain()
                except (ConnectionError, asyncio.IncompleteReadError):
                    pass  # the client left
                finally:
                    writer.close()

            server = await asyncio.start_server(serve, "localhost", 0, ssl=tls)
            port = server.sockets[0].getsockname()[1]
            issuer = FakeIssuer(port, "https" if tls else "http")
            stack.callback(server.close)
            return issuer

        yield open_issuer


@pytest.fixture
async def issuer(open_issuer: Callable[..., Awaitable[FakeIssuer]]) -> FakeIssuer:
    """An issuer that behaves."""
    return await open_issuer()
