"""Who may call: tokens and scopes, as a caller meets them."""

import base64
import json
import time
from types import SimpleNamespace
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from toolmesh_serving.caller import current_caller

MESSAGE = (
    "the access token is missing, garbled, expired or not meant for this mesh; get a new one "
    "with `toolmesh token` or POST /v1/tokens:exchange"
)


async def never(request: Any, context: Any) -> Any:
    """Work that must not be reached."""
    raise AssertionError("refused calls do no work")


def part(content: object) -> str:
    """A part of a JWT."""
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def unsigned(signer: Any) -> str:
    """A token of algorithm `none`."""
    header = {"alg": "none", "typ": "JWT", "kid": signer.kid}
    return f"{part(header)}.{part(signer.claims())}."


def signed_with_public_key(signer: Any) -> str:
    """A token whose HMAC key is the public key that everyone has."""
    public = signer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing_input = (
        f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': signer.kid})}.{part(signer.claims())}"
    )
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = algorithm.sign(signing_input.encode(), public)
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_header(signer: Any, **header: Any) -> str:
    """A token signed with the right key, with other headers."""
    headers: dict[str, Any] = {"kid": signer.kid} | header
    headers = {key: value for key, value in headers.items() if value is not None}
    return jwt.encode(signer.claims(), signer.private, algorithm="ES256", headers=headers)


def with_key_id(signer: Any, kid: Any) -> str:
    """A token whose key id need not be a string."""
    header, _, rest = signer.token().partition(".")
    return f"{part({'alg': 'ES256', 'typ': 'JWT', 'kid': kid})}.{rest}" if header else ""


def altered(signer: Any) -> str:
    """A token whose scopes were changed after it was signed."""
    header, _, signature = signer.token().split(".")
    return f"{header}.{part(signer.claims(scope='parrot:admin'))}.{signature}"


def foreign(signer: Any) -> str:
    """A token that someone else signed, under our key id."""
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(signer.claims(), key, algorithm="ES256", headers={"kid": signer.kid})


def with_own_key(signer: Any, where: str) -> str:
    """A token that brings the key that it is signed with, or says where to fetch it."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    place = "https://example.org/keys"
    header = {"jwk": jwk, "jku": place, "x5u": place, "x5c": [part("certificate")]}[where]
    headers = {"kid": signer.kid, where: header}
    return jwt.encode(signer.claims(), key, algorithm="ES256", headers=headers)


def signed(signer: Any, header: str, claims: str) -> str:
    """A token of these texts, signed with the right key."""
    signing_input = f"{part(header)}.{part(claims)}"
    algorithm = jwt.get_algorithm_by_name("ES256")
    signature = algorithm.sign(signing_input.encode(), signer.private)
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def doubled(signer: Any, *, first: str) -> str:
    """A token that has its scope twice."""
    header = json.dumps({"alg": "ES256", "typ": "JWT", "kid": signer.kid})
    return signed(signer, header, f'{{"scope": "{first}",' + json.dumps(signer.claims())[1:])


def doubled_header(signer: Any) -> str:
    """A token that has its algorithm twice."""
    header = f'{{"alg": "none", "alg": "ES256", "typ": "JWT", "kid": "{signer.kid}"}}'
    return signed(signer, header, json.dumps(signer.claims()))


def with_null_workspaces(signer: Any) -> str:
    """A token whose claim is there and says nothing, which must not mean everything."""
    claims = signer.claims() | {"workspaces": None}
    return jwt.encode(claims, signer.private, algorithm="ES256", headers={"kid": signer.kid})


LONG_NUMBER = '{"kid": ' + "9" * 5000 + "}"

BAD_TOKENS: dict[str, Any] = {
    "empty": lambda signer: "",
    "garbled": lambda signer: "garbled",
    "dots alone": lambda signer: "..",
    "two parts": lambda signer: signer.token().rpartition(".")[0],
    "no signature": lambda signer: signer.token().rpartition(".")[0] + ".",
    "no base64": lambda signer: "!!!.@@@.###",
    "no JSON": lambda signer: f"{part('{')}.{part('{')}.x",
    "a header that is a list": lambda signer: f"{part([])}.{part({})}.x",
    "a header nested deep": lambda signer: f"{part('[' * 5000)}.{part({})}.x",
    "a number too long": lambda signer: f"{part(LONG_NUMBER)}.{part({})}.x",
    "a key id that is no text": lambda signer: with_key_id(signer, 7),
    "a key id that is an object": lambda signer: with_key_id(signer, {"a": 1}),
    "no key id": lambda signer: with_header(signer, kid=None),
    "an unknown key id": lambda signer: with_header(signer, kid="key-2"),
    "a key id that is a path": lambda signer: with_header(signer, kid="../../dev/null"),
    "a key id that is a query": lambda signer: with_header(signer, kid="key-1' OR '1'='1"),
    "a key id with a half character": lambda signer: with_key_id(signer, "\ud800"),
    "a key set of its own": lambda signer: with_header(
        signer, kid="x", jku="https://example.org/jwks.json"
    ),
    "a key of its own": lambda signer: with_own_key(signer, "jwk"),
    "a place of its own for keys": lambda signer: with_own_key(signer, "jku"),
    "a place of its own for certificates": lambda signer: with_own_key(signer, "x5u"),
    "a certificate of its own": lambda signer: with_own_key(signer, "x5c"),
    "of another type": lambda signer: with_header(signer, typ="logout+jwt"),
    "of no type": lambda signer: with_header(signer, typ=""),
    "a scope that is there twice": lambda signer: doubled(signer, first="parrot:admin"),
    "an algorithm that is there twice": doubled_header,
    "critical headers": lambda signer: with_header(signer, crit=["unheard-of"]),
    "altered": altered,
    "foreign": foreign,
    "algorithm none": unsigned,
    "HMAC with the public key": signed_with_public_key,
    "expired": lambda signer: signer.token(exp=int(time.time()) - 1),
    "not valid yet": lambda signer: signer.token(nbf=int(time.time()) + 600),
    "not valid for a while": lambda signer: signer.token(nbf=int(time.time()) + 20),
    "made in the future": lambda signer: signer.token(iat=int(time.time()) + 600),
    "made in a while": lambda signer: signer.token(iat=int(time.time()) + 20),
    "another audience": lambda signer: signer.token(aud="others"),
    "another issuer": lambda signer: signer.token(iss="https://example.org"),
    "a subject that is no text": lambda signer: signer.token(sub=7),
    "scopes that are a list": lambda signer: signer.token(scope=["parrot:use"]),
    "roles that are text": lambda signer: signer.token(roles="admin"),
    "workspaces that are null": with_null_workspaces,
    "workspaces that are text": lambda signer: signer.token(workspaces="one"),
    "workspaces that are a map": lambda signer: signer.token(workspaces={"one": True}),
    "workspaces that are a number": lambda signer: signer.token(workspaces=0),
    "a workspace that is no text": lambda signer: signer.token(workspaces=["one", 2]),
    "a workspace without an id": lambda signer: signer.token(workspaces=["one", ""]),
    "a list of lists of workspaces": lambda signer: signer.token(workspaces=[["one"]]),
    "an actor that is text": lambda signer: signer.token(act="agent"),
    "an actor without a name": lambda signer: signer.token(act={}),
    "an actor's actor that is a list": lambda signer: signer.token(act={"sub": "a", "act": []}),
    "an actor's session that is a number": lambda signer: signer.token(act={"sub": "a", "sid": 7}),
    "a time that is no number": lambda signer: signer.token(exp="soon"),
    "too long": lambda signer: signer.token() + "A" * 9000,
    **{
        f"without {claim}": lambda signer, claim=claim: signer.token(**{claim: None})
        for claim in ("iss", "aud", "sub", "sid", "jti", "scope", "iat", "exp")
    },
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_token_that_cannot_be_trusted_is_refused(
    kind: str, serve: Any, signer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """Every kind gets the same answer, so that it tells nothing of what was wrong."""
    served = await serve({"Say": never})
    metadata = (("authorization", f"Bearer {BAD_TOKENS[kind](signer)}"),)
    failure = await failure_of(served.stub.Say(served.pb2.SayRequest(), metadata=metadata))

    assert failure.code == grpc.StatusCode.UNAUTHENTICATED
    assert failure.message == MESSAGE
    assert (failure.domain, failure.reason) == ("toolmesh.dev", "TOKEN_INVALID")
    assert failure.metadata == {}
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_clocks_that_differ_a_little_refuse_nothing(serve: Any, signer: Any) -> None:
    """A token that was made a moment ahead of this clock is good."""

    async def know(request: Any, context: Any) -> Any:
        return served.pb2.SayResponse(text=current_caller().subject)

    served = await serve({"Know": know})
    soon = int(time.time()) + 3
    metadata = (("authorization", f"Bearer {signer.token(iat=soon, nbf=soon)}"),)
    answer = await served.stub.Know(served.pb2.SayRequest(text="hi"), metadata=metadata)

    assert answer.text == "ann"


async def test_a_token_of_100_kb_is_refused(serve: Any, signer: Any, failure_of: Any) -> None:
    """gRPC's own limit on headers stops it before the service spends anything on it."""
    served = await serve({"Say": never})
    metadata = (("authorization", f"Bearer {signer.token()}{'A' * 100_000}"),)
    failure = await failure_of(served.stub.Say(served.pb2.SayRequest(), metadata=metadata))

    assert failure.code == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "TOKEN"),),
        (("authorization", "Basic TOKEN"),),
        (("authorization", "Bearer  TOKEN"),),
        (("x-access-token", "TOKEN"),),
        (("authorization", "Basic x"), ("authorization", "Bearer TOKEN")),
    ],
)
async def test_a_token_elsewhere_than_in_a_bearer_header_is_not_seen(
    metadata: tuple[tuple[str, str], ...],
    serve: Any,
    signer: Any,
    failure_of: Any,
) -> None:
    """Only the first `authorization: Bearer <token>` counts."""
    served = await serve({"Say": never})
    metadata = tuple((key, value.replace("TOKEN", signer.token())) for key, value in metadata)
    failure = await failure_of(served.stub.Say(served.pb2.SayRequest(), metadata=metadata))

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    assert failure.message == MESSAGE


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_tells_who_calls(
    scheme: str, serve: Any, parrot: SimpleNamespace, signer: Any
) -> None:
    """The work sees the subject, roles and scopes of the token, and the token to forward."""
    seen = []

    async def say(request: Any, context: Any) -> Any:
        seen.append(current_caller())
        return parrot.pb2.SayResponse()

    served = await serve({"Say": say})
    token = signer.token(scope="parrot:use other:read", roles=["developer", "auditor"])
    for _ in range(2):  # the second time it is known already
        await served.stub.Say(
            parrot.pb2.SayRequest(text="hi"), metadata=(("authorization", f"{scheme} {token}"),)
        )

    assert seen[0] == seen[1]
    assert seen[0].subject == "ann"
    assert seen[0].roles == ("developer", "auditor")
    assert seen[0].scopes == {"parrot:use", "other:read"}
    assert seen[0].token == token
    assert token not in repr(seen[0])


async def test_a_delegated_token_tells_who_acts(
    serve: Any, parrot: SimpleNamespace, signer: Any
) -> None:
    """The work sees the actor beside the subject; of nested ones the one who acts now."""
    seen = []

    async def say(request: Any, context: Any) -> Any:
        seen.append((current_caller().subject, current_caller().actor))
        return parrot.pb2.SayResponse()

    served = await serve({"Say": say})
    for act in (None, {"sub": "bot"}, {"sub": "bot2", "act": {"sub": "bot"}}):
        metadata = (("authorization", f"Bearer {signer.token(act=act)}"),)
        await served.stub.Say(parrot.pb2.SayRequest(text="hi"), metadata=metadata)

    assert seen == [("ann", ""), ("ann", "bot"), ("ann", "bot2")]


async def test_headers_that_name_a_user_have_no_effect(
    serve: Any, parrot: SimpleNamespace, bearer: Any, failure_of: Any
) -> None:
    """A client cannot say who it is but by its token."""
    forged = (("x-sub", "admin"), ("x-roles", "admin"), ("x-scope", "parrot:use"))

    async def say(request: Any, context: Any) -> Any:
        return parrot.pb2.SayResponse(text=current_caller().subject)

    served = await serve({"Say": say})
    request = parrot.pb2.SayRequest(text="hi")
    answer = await served.stub.Say(request, metadata=(*forged, *bearer))
    assert answer.text == "ann"

    failure = await failure_of(served.stub.Say(request, metadata=forged))
    assert failure.code == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("scope", ["", "parrot:read", "parrot:use:more", "PARROT:USE", "*"])
async def test_a_token_without_the_scope_is_refused(
    scope: str, serve: Any, signer: Any, failure_of: Any
) -> None:
    """The answer names the scope that is missing, and the field rules are not told."""
    served = await serve({"Say": never})
    metadata = (("authorization", f"Bearer {signer.token(scope=scope)}"),)
    for _ in range(2):  # the second time the token is known already
        failure = await failure_of(served.stub.Say(served.pb2.SayRequest(), metadata=metadata))

        assert failure.code == grpc.StatusCode.PERMISSION_DENIED
        assert failure.reason == "SCOPE_MISSING"
        assert failure.metadata == {"scope": "parrot:use"}
        assert failure.fields == {}


async def test_any_valid_token_may_call_what_is_for_everyone(
    serve: Any, parrot: SimpleNamespace, signer: Any, failure_of: Any
) -> None:
    """An authenticated method asks for no scope, but for a token."""

    async def know(request: Any, context: Any) -> Any:
        return parrot.pb2.SayResponse(text=current_caller().subject)

    served = await serve({"Know": know})
    request = parrot.pb2.SayRequest(text="hi")
    metadata = (("authorization", f"Bearer {signer.token(scope='')}"),)
    assert (await served.stub.Know(request, metadata=metadata)).text == "ann"

    failure = await failure_of(served.stub.Know(request))
    assert failure.code == grpc.StatusCode.UNAUTHENTICATED


async def test_a_public_method_asks_for_nothing(serve: Any, parrot: SimpleNamespace) -> None:
    """It works without a token and with a bad one, and knows no caller."""

    async def greet(request: Any, context: Any) -> Any:
        with pytest.raises(LookupError):
            current_caller()
        return parrot.pb2.SayResponse(text="hello")

    served = await serve({"Greet": greet})
    request = parrot.pb2.SayRequest(text="hi")
    for metadata in ((), (("authorization", "Bearer garbled"),)):
        assert (await served.stub.Greet(request, metadata=metadata)).text == "hello"


async def test_a_method_without_a_policy_is_not_served(
    serve: Any, bearer: Any, failure_of: Any, logs: list[Any]
) -> None:
    """To callers it is not there, whatever their token; the log names it, once."""
    served = await serve({"Roam": never})
    request = served.pb2.SayRequest(text="hi")
    for metadata in (bearer, ()):
        failure = await failure_of(served.stub.Roam(request, metadata=metadata))
        assert failure.code == grpc.StatusCode.UNIMPLEMENTED

    (logged,) = logs
    assert logged["event"] == "method refused"
    assert "/toolmesh.parrot.v1.ParrotService/Roam has no policy" in logged["error"]
