"""ID tokens that are bad, and issuers that are away, slow or make no sense."""

import asyncio
import base64
import datetime
import ipaddress
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from toolmesh.identity.v1 import (
    session_service_pb2,
)

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/keys"
GROUPS = 'role_claim = "groups"\nroles = { admins = ["admin"], engineers = ["developer"] }\n'
PROVISION = "provision = true\n" + GROUPS
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "EXTERNAL_ACCOUNT_REFUSED")
INVALID = (grpc.StatusCode.UNAUTHENTICATED, "ID_TOKEN_INVALID")


async def sign_in(identity: Any, token: str, **more: Any) -> Any:
    """Signs in with an ID token."""
    request = session_service_pb2.SignInWithIdTokenRequest(id_token=token, **more)
    return await identity.sessions.SignInWithIdToken(request)


@pytest.fixture
async def ours(
    make_settings: Any, run_identity: Any, issuers_file: Any, issuer: Any
) -> AsyncGenerator[Any]:
    """A service that trusts the issuer, maps its groups to roles and makes users."""
    path = issuers_file((issuer.url, PROVISION))
    async with run_identity(make_settings(issuers_file=path)) as identity:
        yield identity


def _hmac_with_public_key(issuer: Any) -> str:
    public = (
        issuer.private["key-1"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return _signed_by_hand(issuer, {"alg": "HS256", "kid": "key-1"}, public)


def _signed_by_hand(issuer: Any, header: dict[str, Any], secret: bytes, **changes: Any) -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    claims = issuer.claims(groups="admins", **changes)
    signing_input = ".".join(part(json.dumps(each).encode()) for each in (header, claims))
    signature = jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), secret)
    return f"{signing_input}.{part(signature) if secret else ''}"


def _of_another_key(issuer: Any, kid: str = "key-1") -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(issuer.claims(groups="admins"), key, "RS256", headers={"kid": kid})


def _by_a_weak_key(issuer: Any) -> str:
    issuer.add_key("weak", bits=1024)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        return issuer.token("weak", groups="admins")


def _by_elliptic_curve(issuer: Any) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(issuer.claims(groups="admins"), key, "ES256", headers={"kid": "key-1"})


def _changed(**changes: Any) -> Callable[[Any], str]:
    return lambda issuer: issuer.token(groups="admins", **changes)


BAD_TOKENS: dict[str, Callable[[Any], str]] = {
    "garbage": lambda issuer: "garbage",
    "three dots": lambda issuer: "...",
    "another issuer": _changed(iss="https://other.example"),
    "an issuer that is a list": lambda issuer: _signed_by_hand(
        issuer, {"alg": "RS256", "kid": "key-1"}, b"x", iss=[issuer.url]
    ),
    "another audience": _changed(aud="others"),
    "no audience": _changed(aud=None),
    "asked for by another": _changed(aud=["toolmesh", "others"], azp="others"),
    "for several, by nobody": _changed(aud=["toolmesh", "others"]),
    "no subject": _changed(sub=None),
    "an empty subject": _changed(sub=""),
    "a subject that is too long": _changed(sub="x" * 256),
    "no end": _changed(exp=None),
    "expired": lambda issuer: issuer.token(groups="admins", exp=int(time.time()) - 61),
    "not yet good": lambda issuer: issuer.token(groups="admins", nbf=int(time.time()) + 90),
    "of the future": lambda issuer: issuer.token(groups="admins", iat=int(time.time()) + 90),
    "too old": lambda issuer: issuer.token(groups="admins", iat=int(time.time()) - 661),
    "unverified address": _changed(email="ann@example.com", email_verified=False),
    "algorithm none": lambda issuer: _signed_by_hand(issuer, {"alg": "none"}, b""),
    "HMAC with the public key": _hmac_with_public_key,
    "another key": _of_another_key,
    "an unknown key": lambda issuer: _of_another_key(issuer, "key-2"),
    "a key id that is a path": lambda issuer: _of_another_key(issuer, "../../dev/null"),
    "a weak key": _by_a_weak_key,
    "an algorithm that is not the key's": _by_elliptic_curve,
    "altered": lambda issuer: issuer.token(groups="admins")[:-6] + "AAAAAA",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_token_that_cannot_be_trusted_is_refused(
    ours: Any, issuer: Any, failure_of: Any, logs: list[Any], kind: str
) -> None:
    """All alike; why is in the log, without the token."""
    token = BAD_TOKENS[kind](issuer)
    failure = await failure_of(sign_in(ours, token))

    assert (failure.code, failure.reason) == INVALID
    assert "sign in at the issuer again" in failure.message
    (entry,) = [entry for entry in logs if entry["event"] == "ID token refused"]
    assert entry["error"]
    assert token not in str(logs)


async def test_clocks_may_differ_by_a_minute(ours: Any, issuer: Any) -> None:
    """In both directions."""
    now = int(time.time())
    await sign_in(ours, issuer.token(groups="engineers", exp=now - 50, iat=now - 300))
    await sign_in(ours, issuer.token(groups="engineers", iat=now + 50, nbf=now + 50))


@pytest.mark.parametrize(("held", "good"), [("n1", True), ("n2", False), (None, False), (7, False)])
async def test_a_nonce_that_is_given_must_be_in_the_token(
    ours: Any, issuer: Any, failure_of: Any, held: Any, good: bool
) -> None:
    """So that a token from elsewhere cannot be put in the place of the user's."""
    call = sign_in(ours, issuer.token(groups="engineers", nonce=held), nonce="n1")
    if good:
        assert (await call).access_token
    else:
        assert (await failure_of(call)).reason == "ID_TOKEN_INVALID"


async def test_unknown_keys_do_not_hammer_the_issuer(
    ours: Any, issuer: Any, failure_of: Any
) -> None:
    """A flood of invented key ids causes one fetch more at most, and users get in meanwhile."""
    await sign_in(ours, issuer.token(groups="engineers"))
    flood = [_of_another_key(issuer, "key-x")] + [
        _signed_by_hand(issuer, {"alg": "RS256", "kid": f"key-{number}"}, b"x")
        for number in range(200)
    ]
    reasons = {(await failure_of(sign_in(ours, token))).reason for token in flood}

    assert reasons == {"ID_TOKEN_INVALID"}
    assert len(issuer.fetched) <= 4
    await sign_in(ours, issuer.token(groups="engineers"))


async def test_a_new_key_of_the_issuer_is_found(
    ours: Any, issuer: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it may be asked again; a withdrawn one is refused after ten minutes."""
    moved = 0.0
    real = time.monotonic
    await sign_in(ours, issuer.token(groups="engineers"))
    issuer.add_key("key-2")
    del issuer.published[0]
    monkeypatch.setattr("toolmesh_identity.issuer_keys.time.monotonic", lambda: real() + moved)
    moved = 11.0
    await sign_in(ours, issuer.token("key-2", groups="engineers"))
    assert len(issuer.fetched) == 4
    failure = await failure_of(sign_in(ours, issuer.token("key-1", groups="engineers")))
    assert failure.reason == "ID_TOKEN_INVALID"
    issuer.add_key("key-3")
    del issuer.published[0]
    moved = 300.0
    await sign_in(ours, issuer.token("key-2", groups="engineers"))
    moved = 700.0
    failure = await failure_of(sign_in(ours, issuer.token("key-2", groups="engineers")))
    assert failure.reason == "ID_TOKEN_INVALID"


async def test_keys_stay_good_while_the_issuer_is_away(
    ours: Any, issuer: Any, http_answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users go on signing in with tokens that they have."""
    await sign_in(ours, issuer.token(groups="engineers"))
    real = time.monotonic
    monkeypatch.setattr("toolmesh_identity.issuer_keys.time.monotonic", lambda: real() + 700)
    issuer.answers[CONFIGURATION] = http_answer({}, status="503 Service Unavailable")
    await sign_in(ours, issuer.token(groups="engineers"))

    assert issuer.fetched == [CONFIGURATION, KEYS, CONFIGURATION]


def _bad_answers(issuer: Any, answer: Any) -> dict[str, dict[str, Any]]:
    configuration = {"issuer": issuer.url, "jwks_uri": issuer.url + KEYS}
    elsewhere = f"location: {issuer.url}/other\r\n"
    secret = {"kty": "oct", "kid": "key-1", "k": "c2VjcmV0"}
    others = {**issuer.published[0], "use": "enc"}
    return {
        "away": {CONFIGURATION: b""},
        "an error": {CONFIGURATION: answer({}, status="500 Internal Server Error")},
        "garbage": {CONFIGURATION: answer(b"<html>")},
        "no HTTP": {CONFIGURATION: b"\x00\x01\x02"},
        "a list": {CONFIGURATION: answer([])},
        "nested deep": {CONFIGURATION: answer(b"[" * 100_000)},
        "another's document": {CONFIGURATION: answer(configuration | {"issuer": "https://x"})},
        "keys by plain HTTP": {
            CONFIGURATION: answer(configuration | {"jwks_uri": "http://192.0.2.1/keys"})
        },
        "keys in a file": {
            CONFIGURATION: answer(configuration | {"jwks_uri": "file:///etc/passwd"})
        },
        "no keys": {KEYS: answer({"keys": []})},
        "keys that are text": {KEYS: answer({"keys": "many"})},
        "keys of no use": {KEYS: answer({"keys": [7, {}, {"kty": "RSA"}, secret, others]})},
        "huge keys": {
            KEYS: answer(json.dumps({"keys": issuer.published}).encode() + b" " * 600_000)
        },
        "elsewhere": {KEYS: answer({}, status="302 Found", headers=elsewhere)},
    }


# What the log says of each.
BAD_ANSWERS = {
    "away": "",
    "an error": "answered 500",
    "garbage": "no JSON",
    "no HTTP": "",
    "a list": "no JSON object",
    "nested deep": "no JSON",
    "another's document": "another issuer's",
    "keys by plain HTTP": "safe to fetch",
    "keys in a file": "safe to fetch",
    "no keys": "no key",
    "keys that are text": "no key",
    "keys of no use": "no key",
    "huge keys": "more than 524288 bytes",
    "elsewhere": "answered 302",
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
async def test_an_issuer_that_makes_no_sense_lets_nobody_in(
    ours: Any, issuer: Any, http_answer: Any, failure_of: Any, logs: list[Any], kind: str
) -> None:
    """The user is told to try again, and the log why; nothing else is fetched."""
    issuer.answers = _bad_answers(issuer, http_answer)[kind]
    failure = await failure_of(sign_in(ours, issuer.token(groups="engineers")))

    assert failure.code == grpc.StatusCode.UNAVAILABLE
    assert failure.retry_seconds == 10
    (entry,) = [entry for entry in logs if entry["event"] == "issuer's keys not fetched"]
    assert entry["error"]
    assert BAD_ANSWERS[kind] in entry["error"]
    assert set(issuer.fetched) <= {CONFIGURATION, KEYS}


async def test_an_issuer_that_is_slow_is_not_waited_for(
    ours: Any, issuer: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks at the same time waits for the one fetch, and no longer."""
    monkeypatch.setattr("toolmesh_identity.issuer_keys._FETCH_SECONDS", 2.0)
    never = asyncio.Event()

    async def drip() -> bytes:
        await never.wait()
        return b""

    issuer.answers[KEYS] = drip
    begun = time.monotonic()
    token = issuer.token(groups="engineers")
    failures = await asyncio.gather(*(failure_of(sign_in(ours, token)) for _ in range(5)))
    never.set()

    assert {failure.code for failure in failures} == {grpc.StatusCode.UNAVAILABLE}
    assert issuer.fetched == [CONFIGURATION, KEYS]
    assert time.monotonic() - begun < 8


def _certificate(path: Path) -> ssl.SSLContext:
    """Writes a certificate for localhost, signed by itself; returns what serves it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = path.with_name("private.pem")
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return context


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_issuer_is_asked_by_tls(
    make_settings: Any,
    run_identity: Any,
    issuers_file: Any,
    open_issuer: Any,
    tmp_path: Path,
    failure_of: Any,
    trusted: bool,
) -> None:
    """With a certificate of the company's own when the settings name it, else not."""
    issuer = await open_issuer(tls=_certificate(tmp_path / "ca.pem"))
    more = PROVISION + (f'ca_file = "{tmp_path / "ca.pem"}"\n' if trusted else "")
    settings = make_settings(issuers_file=issuers_file((issuer.url, more)))
    async with run_identity(settings) as identity:
        call = sign_in(identity, issuer.token(groups="engineers"))
        if trusted:
            assert (await call).session.user == "ann"
        else:
            assert (await failure_of(call)).code == grpc.StatusCode.UNAVAILABLE
            assert issuer.fetched == []


async def test_without_issuers_no_id_token_is_good(
    identity: Any, issuer: Any, failure_of: Any
) -> None:
    """And nothing is fetched."""
    failure = await failure_of(sign_in(identity, issuer.token(groups="admins")))

    assert (failure.code, failure.reason) == INVALID
    assert issuer.fetched == []
