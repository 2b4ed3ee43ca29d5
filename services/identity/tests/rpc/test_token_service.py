"""Tokens over gRPC: exchanged for API keys, at the gateway too, and verifiable by anyone."""

import asyncio
import json
import time
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import OK, UNAUTHENTICATED

from toolmesh.identity.v1 import token_service_pb2

REFUSAL = "the API key is not valid; ask an administrator for a new one"


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token that was checked elsewhere."""
    return jwt.decode(token, options={"verify_signature": False})


async def key_set(identity: Any) -> dict[str, Any]:
    """The published keys."""
    answer = await identity.tokens.GetJwks(token_service_pb2.GetJwksRequest())
    assert answer.jwks.content_type == "application/json"
    return json.loads(answer.jwks.data)


async def test_a_key_is_exchanged_for_a_token(identity: Any) -> None:
    """The token has the key's subject, roles and scopes, and lives as long as the answer says."""
    made = await identity.make_key("viewer")
    now = time.time()
    answer = await identity.exchange(made.key)
    claims = claims_of(answer.access_token)

    assert answer.token_type == "Bearer"
    assert answer.expires_in.seconds == 900
    assert list(answer.scopes) == list(made.api_key.scopes)
    assert claims["iss"] == "https://toolmesh.dev"
    assert claims["aud"] == "toolmesh"
    assert claims["sub"] == "ann"
    assert claims["sid"] == f"key:{made.api_key.id}"
    assert claims["roles"] == ["viewer"]
    assert claims["scope"].split() == list(made.api_key.scopes)
    assert now - 1 <= claims["iat"] <= now + 5
    assert claims["exp"] - claims["iat"] == 900
    another = await identity.exchange(made.key)
    assert claims_of(another.access_token)["jti"] != claims["jti"]


async def test_the_published_keys_verify_tokens_and_tell_no_secret(identity: Any) -> None:
    """A JSON Web Key Set with public parts alone."""
    token = (await identity.exchange(identity.admin_key)).access_token
    published = await key_set(identity)

    for key in published["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [key for key in jwt.PyJWKSet.from_dict(published).keys if key.key_id == kid]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="toolmesh")
    assert claims["sub"] == "admin"


async def test_a_token_can_be_narrower_than_its_key(identity: Any) -> None:
    """It holds what was asked for, once each."""
    made = await identity.make_key("developer")
    answer = await identity.exchange(made.key, "workspace:read", "workspace:read")

    assert list(answer.scopes) == ["workspace:read"]
    assert claims_of(answer.access_token)["scope"] == "workspace:read"


@pytest.mark.parametrize("scope", ["workspace:write", "identity:admin", "no:such"])
async def test_a_token_cannot_be_wider_than_its_key(
    identity: Any, failure_of: Any, scope: str
) -> None:
    """The answer names the scope that the key does not hold."""
    made = await identity.make_key("developer", scopes=["workspace:read"])
    failure = await failure_of(identity.exchange(made.key, "workspace:read", scope))

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_TOO_WIDE")
    assert list(failure.fields) == ["scopes[1]"]


def bad_keys(good: str) -> dict[str, str]:
    """Keys that are not `good`."""
    prefix, key_id, secret = good.split("_", 2)
    other = "A" if secret[0] != "A" else "B"
    return {
        "garbage": "garbage",
        "prefix alone": "tmk_",
        "no secret": f"{prefix}_{key_id}_",
        "right id, wrong secret": f"{prefix}_{key_id}_{other}{secret[1:]}",
        "right id, secret too short": good[:-1],
        "right id, secret too long": f"{good}A",
        "unknown id": f"{prefix}_{'a' * 16}_{secret}",
        "upper case": good.upper(),
        "with a blank": f" {good}",
        "with a line's end": f"{good}\n",
        "not ASCII": f"{good[:-1]}\u00e9",
        "a pattern": f"{prefix}_{'*' * 16}_{secret}",
    }


@pytest.mark.parametrize("kind", bad_keys("tmk_a_A"))
async def test_a_key_that_is_not_valid_is_refused_alike(
    identity: Any, failure_of: Any, kind: str
) -> None:
    """Whatever is wrong, the answer is the same, here and at the gateway."""
    bad = bad_keys((await identity.make_key("admin")).key)[kind]
    failure = await failure_of(identity.exchange(bad))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")
    assert failure.message == REFUSAL
    assert failure.metadata == {}

    answer = await identity.check(x_api_key=bad)
    assert (answer.status.code, answer.status.message) == (UNAUTHENTICATED, REFUSAL)
    assert answer.denied_response.status.code == 401


@pytest.mark.parametrize("key", ["", "x" * 257])
async def test_a_key_of_impossible_length_breaks_the_field_rules(
    identity: Any, failure_of: Any, key: str
) -> None:
    """It is a mistake in the request, told without looking anything up."""
    failure = await failure_of(identity.exchange(key))

    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(failure.fields) == ["api_key"]


async def test_an_expired_key_is_refused(
    identity: Any, failure_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second on that it was to end, as any other bad key."""
    end = int(time.time()) + 60
    made = await identity.make_key("viewer", expire_time=Timestamp(seconds=end))
    monkeypatch.setattr(time, "time", lambda: end - 0.001)
    await identity.exchange(made.key)
    monkeypatch.setattr(time, "time", lambda: float(end))
    failure = await failure_of(identity.exchange(made.key))

    assert (failure.code, failure.message) == (grpc.StatusCode.UNAUTHENTICATED, REFUSAL)
    assert (await identity.check(x_api_key=made.key)).denied_response.status.code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer KEY"},
        {"authorization": "bearer KEY"},
        {"x_api_key": "KEY"},
        {"authorization": "Bearer KEY", "x_api_key": "garbage"},
        {"authorization": "Bearer eyJhbGciOiJFUzI1NiJ9.e30.x", "x_api_key": "KEY"},
        {"authorization": "Basic KEY", "x_api_key": "KEY"},
    ],
)
async def test_the_gateway_gets_a_token_for_a_key(identity: Any, headers: dict[str, str]) -> None:
    """The token replaces the credential, and the key itself goes no further."""
    made = await identity.make_key("viewer")
    answer = await identity.check(
        **{name: value.replace("KEY", made.key) for name, value in headers.items()}
    )

    assert answer.status.code == OK
    (change,) = answer.ok_response.headers
    assert change.header.key == "authorization"
    assert change.append_action == 2  # Envoy's OVERWRITE_IF_EXISTS_OR_ADD
    assert list(answer.ok_response.headers_to_remove) == ["x-api-key"]
    scheme, _, token = change.header.value.partition(" ")
    assert scheme == "Bearer"
    assert claims_of(token)["sub"] == "ann"
    assert claims_of(token)["scope"].split() == list(made.api_key.scopes)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "garbage"},
        {"authorization": "Bearer tmk_garbage", "x_api_key": "KEY"},
        {"authorization": "Basic KEY"},
    ],
)
async def test_the_gateway_gets_a_refusal_for_anything_else(
    identity: Any, headers: dict[str, str]
) -> None:
    """A key in `authorization` goes before one in `x-api-key`, even when it is bad."""
    made = await identity.make_key("viewer")
    answer = await identity.check(
        **{name: value.replace("KEY", made.key) for name, value in headers.items()}
    )

    assert answer.status.code == UNAUTHENTICATED
    assert answer.denied_response.status.code == 401
    assert answer.denied_response.body == REFUSAL


async def test_the_gateway_gets_the_same_token_for_a_while(identity: Any) -> None:
    """Signing one for each call would buy nothing."""
    made = await identity.make_key("viewer")
    await identity.check(x_api_key=made.key)  # notes the first use, which changes the record
    answers = await asyncio.gather(*(identity.check(x_api_key=made.key) for _ in range(10)))

    assert len({answer.ok_response.headers[0].header.value for answer in answers}) == 1


async def test_tokens_live_as_long_as_the_settings_say(
    make_settings: Any, run_identity: Any
) -> None:
    """The answer and the token agree."""
    async with run_identity(make_settings(token_seconds=60, audience="others")) as identity:
        answer = await identity.exchange(identity.admin_key)

    claims = claims_of(answer.access_token)
    assert answer.expires_in.seconds == 60
    assert claims["exp"] - claims["iat"] == 60
    assert claims["aud"] == "others"
