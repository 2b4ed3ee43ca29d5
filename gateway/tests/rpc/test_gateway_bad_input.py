"""What callers must not do, and what they are told, at every door."""

import base64
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_ECHO = "/toolmesh.echo.v1.EchoService"
_UNAUTHENTICATED, _DENIED, _INVALID = 16, 7, 3


def _foreign(mesh: Any, **header: Any) -> str:
    """Signed with an attacker's key, which the header may name, bring or tell where to get."""
    key = ec.generate_private_key(ec.SECP256R1())
    headers = {"kid": jwt.get_unverified_header(mesh.token())["kid"], **header}
    if "jwk" in headers:
        headers["jwk"] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(mesh.claims("echo:use"), key, algorithm="ES256", headers=headers)


def _doubled(mesh: Any) -> str:
    """Identity's own signature over two scopes, of which readers could take different ones."""
    return mesh.signed('{"scope": "echo:read", ' + json.dumps(mesh.claims("echo:use"))[1:])


def _unsigned(mesh: Any) -> str:
    return jwt.encode(mesh.claims("echo:use"), "", algorithm="none")


def _signed_with_public_key(mesh: Any) -> str:
    """HS256 with the public key as the secret: what a verifier must not fall for."""
    (public,) = mesh.public_keys()
    secret = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "typ": "JWT"}, mesh.claims("echo:use")]
    head = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    signature = jwt.get_algorithm_by_name("HS256")
    key = base64.urlsafe_b64encode(secret)
    return f"{head}.{_base64(signature.sign(head.encode(), key))}"


def _altered(mesh: Any) -> str:
    head, _, signature = mesh.token("echo:read").split(".")
    claims = _base64(json.dumps(mesh.claims("echo:use")).encode())
    return f"{head}.{claims}.{signature}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


_BAD_TOKENS: dict[str, Callable[[Any], str | None]] = {
    "none": lambda _: None,
    "garbled": lambda _: "ab.cd.ef",
    "not a token": lambda _: "hello",
    "expired": lambda mesh: mesh.token("echo:use", exp=int(time.time()) - 60),
    "without an end": lambda mesh: mesh.token("echo:use", exp=None),
    "foreign key": _foreign,
    "of another mesh": lambda mesh: _foreign(mesh, kid="20260101-00000000"),
    "a key id that is a path": lambda mesh: _foreign(mesh, kid="../../../dev/null"),
    "a key of its own": lambda mesh: _foreign(mesh, jwk={}),
    "a place of its own for keys": lambda mesh: _foreign(mesh, jku="https://evil.example/keys"),
    "a certificate of its own": lambda mesh: _foreign(mesh, x5u="https://evil.example/cert"),
    "of another type": lambda mesh: mesh.signed(
        json.dumps(mesh.claims("echo:use")), typ="logout+jwt"
    ),
    "a scope that is there twice": _doubled,
    "not valid yet": lambda mesh: mesh.token("echo:use", nbf=int(time.time()) + 60),
    "made in the future": lambda mesh: mesh.token("echo:use", iat=int(time.time()) + 60),
    "too long": lambda mesh: mesh.token("echo:use", padding="x" * 8000),
    "alg none": _unsigned,
    "HS256 with the public key": _signed_with_public_key,
    "altered claims": _altered,
    "wrong audience": lambda mesh: mesh.token("echo:use", aud="elsewhere"),
    "wrong issuer": lambda mesh: mesh.token("echo:use", iss="https://evil.example"),
}


@pytest.mark.parametrize("bad", _BAD_TOKENS)
async def test_bad_token(bad: str, mesh: Any, door: Any) -> None:
    """No token, or one that is not to be trusted, is the same refusal by every door."""
    outcome = await door(_BAD_TOKENS[bad](mesh), {"textToSay": "x"})
    assert (outcome.code, outcome.reason) == (_UNAUTHENTICATED, "TOKEN_INVALID")


async def test_scope_missing(mesh: Any, door: Any) -> None:
    """A good token without the method's scope is refused, and the scope is named."""
    outcome = await door(mesh.token("echo:read", "echo:users"), {"textToSay": "x"})
    assert (outcome.code, outcome.reason) == (_DENIED, "SCOPE_MISSING")
    assert outcome.metadata == {"scope": "echo:use"}


async def test_refusals_of_gateway_and_service_are_alike(
    mesh: Any, door: Any, direct_outcome: Any
) -> None:
    """A call that goes around the gateway meets the same refusals, word for word."""
    for token in (None, "ab.cd.ef", mesh.token("echo:read")):
        at_gateway = await door(token, {})
        assert at_gateway == await direct_outcome(f"{_ECHO}/Say", {}, token=token)


async def test_client_cannot_say_who_it_is(mesh: Any, door: Any) -> None:
    """Identity headers that a client sent do not reach the service."""
    forged = {
        "x-sub": "admin",
        "x-toolmesh-role": "admin",
        "x-envoy-original-path": "/v1/elsewhere",
        "x-envoy-upstream-rq-timeout-ms": "1",
    }
    outcome = await door(mesh.token("echo:use", sub="ann"), {"wantHeaders": True}, forged)
    headers = outcome.answer["headers"]
    assert "x-sub: ann" in headers
    assert not [h for h in headers if "admin" in h or "elsewhere" in h or "timeout-ms" in h]


def test_forged_subject_of_nobody(http: httpx.Client) -> None:
    """Nor does one of a caller without a token."""
    answer = http.get("/v1/echo:ping", headers={"x-sub": "admin"})
    assert answer.status_code == 200


async def test_unknown_field(mesh: Any, doors: Any) -> None:
    """A field that the method does not know is refused and named, wherever it is."""
    bodies = {
        "nosuch": {"textToSay": "x", "nosuch": 1},
        "nested.nosuch": {"nested": {"innerText": "x", "nosuch": {"a": [1]}}},
        "nested.children.nosuch": {"nested": {"children": [{}, {"nosuch": None}]}},
        "named.nosuch": {"named": {"anyName": {"innerText": "x"}, "b": {"nosuch": "}"}}},
    }
    for name, body in bodies.items():
        for door in (doors["http"], doors["mcp"]):
            outcome = await door(mesh.token("echo:use"), body)
            assert (outcome.code, outcome.reason) == (_INVALID, "FIELD_INVALID")
            assert outcome.fields == [name]


@pytest.mark.parametrize(
    "body",
    [
        {"anything": {"nosuch": {"a": [{"b": '}"]'}]}}, "textToSay": "x"},
        {"nested": {"children": [{"children": [{"inner_text": "x"}]}]}, "named": {}},
        {"delay": "0.001s", "textToSay": '","nosuch":"', "maxTokens": 1},
        {},
    ],
)
async def test_known_fields_pass(body: dict[str, Any], mesh: Any, door: Any) -> None:
    """What looks like an unknown field but is none, passes."""
    assert (await door(mesh.token("echo:use"), body)).code == 0


_BAD_BODIES = {
    "wrong type": ('{"maxTokens": "many"}', ["max_tokens"]),
    "object for text": ('{"textToSay": {"a": 1}}', ["text_to_say"]),
    "cut off": ('{"textToSay": "x', [""]),
    "not JSON": ("hello", [""]),
    "a list": ("[]", [""]),
    "nested deep": ('{"anything":' + '{"a":' * 10_000 + "1" + "}" * 10_001, [""]),
    "lists nested deep": ('{"textToSay":' + "[" * 100_000 + "]" * 100_000 + "}", [""]),
    "not UTF-8": (b'{"textToSay": "\xff\xfe"}', [""]),
    "unquoted name": ("{nosuch: 1}", ["nosuch"]),
    "single quotes": ("{'nosuch': 1}", ["nosuch"]),
    "behind a comma too many": ('{"nested": {"children": [{},],}, "nosuch": 1}', ["nosuch"]),
    "no item where one should be": ('{"nested": {"children": [}}', [""]),
    "no value where one should be": ('{"nested": }', [""]),
    "half a name": ("{nosuch", [""]),
    "quote in the name": ('{"a\\"b": 1}', ['a\\"b']),
}


@pytest.mark.parametrize("bad", _BAD_BODIES)
def test_bad_body(bad: str, mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """A body that the method cannot take is refused with the field, if one is at fault."""
    body, fields = _BAD_BODIES[bad]
    answer = http.post("/v1/echo:say", content=body, headers=_bearer(mesh, "echo:use"))
    assert answer.status_code == 400
    outcome = outcome_of(answer)
    assert (outcome.code, outcome.reason) == (_INVALID, "FIELD_INVALID")
    assert list(outcome.fields) == fields


_BROKEN_BODIES = {
    "{nosuch": "Unexpected end of string. Expected : between key:value pair, at its end",
    '{"textToSay":': "Unexpected end of string. Expected a value, at its end",
    "nul": "Unexpected token, at `nul`",
    '{"maxTokens": NaN}': "Unexpected token, at `NaN}`",
    '{"anything": {"a": "\\u0041\\n"} hello}': "value pair, at `hello}`",
    '{"nested": {"children": [}}': "Unexpected token, at `}}`",
    '{"textToSay": "x"} hello': "Parsing terminated before end of input, at `hello`",
    b'{"textToSay": "\xff"}': "not all of its bytes are UTF-8",
    b'\xef\xbb\xbf{"textToSay": "x"}': "it must not begin with a byte order mark",
    '["x"]': "the body must be a JSON object",
    "null": "the body must be a JSON object",
    '{"textToSay": ["x"]}': "a list stands where one value belongs",
}


@pytest.mark.parametrize("body", _BROKEN_BODIES)
def test_broken_body(body: str | bytes, mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """What is no JSON is called so, with the place where it ends to be."""
    outcome = outcome_of(http.post("/v1/echo:say", content=body, headers=_bearer(mesh, "echo:use")))
    assert (outcome.code, list(outcome.fields)) == (_INVALID, [""])
    assert outcome.message.endswith(_BROKEN_BODIES[body])


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"mood": "glad"}, "mood", '"glad"'),
        ({"mood": ""}, "mood", '""'),
        ({"mood": 1.5}, "mood", "1.5"),
        ({"moreMoods": ["MOOD_SAD", '"\n']}, "more_moods", '""\n"'),
        ({"nested": {"children": [{}, {"mood": "x"}]}}, "nested.children[1].mood", '"x"'),
    ],
)
async def test_unknown_enum_value(
    body: dict[str, Any], field: str, value: str, mesh: Any, doors: Any
) -> None:
    """A name that an enum has not is refused with the field, the name and those that there are."""
    for door in (doors["http"], doors["mcp"]):
        outcome = await door(mesh.token("echo:use"), body)
        assert (outcome.code, outcome.reason) == (_INVALID, "FIELD_INVALID")
        assert outcome.fields == [field]
        said = f"{field}: invalid value {value}; give one of MOOD_GLAD, MOOD_SAD"
        assert outcome.message.endswith(f": {said}")


def test_unknown_enum_value_in_query(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """So it is in a query."""
    answer = http.get("/v1/echo/r:count?mood=glad", headers=_bearer(mesh, "echo:read"))
    outcome = outcome_of(answer)
    assert outcome.fields == ["mood"]
    assert outcome.message.endswith('"glad"; give one of MOOD_GLAD, MOOD_SAD')


@pytest.mark.parametrize("field", ["maxTokens", "mood"])
@pytest.mark.parametrize(
    "part",
    [
        "x",
        'Could not find field "',
        ".\n",
        " for type type.googleapis.com/",
        ": invalid value ",
        "\n ",
    ],
)
def test_long_value(part: str, field: str, mesh: Any, gateway: Any, http: httpx.Client) -> None:
    """Megabytes of what the gateway's own words look like are refused at once."""
    body = {field: part * (2_000_000 // len(part))}
    process = psutil.Process(gateway.process.pid)
    before = sum(process.cpu_times()[:2])
    answer = http.post("/v1/echo:say", json=body, headers=_bearer(mesh, "echo:use"))
    assert answer.status_code == 400
    assert answer.json()["details"][1]["fieldViolations"][0]["field"] in ("max_tokens", "mood")
    assert sum(process.cpu_times()[:2]) - before < 5


def test_unknown_query_parameter(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """A query parameter that the method does not know is refused and named."""
    answer = http.get("/v1/echo/r:count?last=1&nosuch=2", headers=_bearer(mesh, "echo:read"))
    assert answer.status_code == 400
    assert outcome_of(answer).fields == ["nosuch"]


def test_bad_query_parameter(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """A query parameter with a bad value is refused and named."""
    answer = http.get("/v1/echo/r:count?last=many", headers=_bearer(mesh, "echo:read"))
    assert outcome_of(answer).fields == ["last"]


async def test_services_own_refusal(mesh: Any, door: Any) -> None:
    """A failure of the service keeps its code, reason, words and fields at every door."""
    outcome = await door(mesh.token("echo:use"), {"failWith": 9})
    assert (outcome.code, outcome.reason) == (9, "ASKED_TO_FAIL")
    assert outcome.message == 'it failed, "as asked"'
    assert outcome.metadata == {"asked": "yes"}
    assert list(outcome.fields) == ["fail_with"]


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/nosuch"),
        ("GET", "/"),
        ("GET", "/v1/echo:say"),
        ("POST", "/v1/echo:nosuch"),
        ("POST", "/v1/echo%3Asay"),
        ("POST", f"{_ECHO}/Say"),
        ("PUT", "/v1/echo/r"),
    ],
)
def test_unknown_path(verb: str, path: str, mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """A path that is no method's, or another verb's, is not found."""
    answer = http.request(verb, path, headers=_bearer(mesh, "echo:use", "echo:write"))
    assert answer.status_code == 404
    assert outcome_of(answer).reason == "METHOD_UNKNOWN"


@pytest.mark.parametrize("path", ["/toolmesh.echo.v1.EchoService/Nosuch", "/no.such.v1.X/Y"])
async def test_unknown_rpc(path: str, mesh: Any, unknown_outcome: Any) -> None:
    """An unknown RPC is UNIMPLEMENTED, as gRPC has it; without a token not even that is told."""
    outcome = await unknown_outcome(path, token=mesh.token("echo:use"))
    assert (outcome.code, outcome.reason) == (12, "METHOD_UNKNOWN")
    assert (await unknown_outcome(path, token=None)).code == _UNAUTHENTICATED


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/echo/a%2Fb:count", 400),  # an escaped slash could hide a segment from the rules
        ("/v1/echo/a%5Cb:count", 400),
        ("//v1/./echo/../echo/r:count", 200),  # one spelling a path, before any rule looks at it
        ("/v1/echo/r:count/../../../healthz/../v1/nosuch", 404),
        ("/v1/echo:ping/../echo/r:count", 200),
    ],
)
def test_odd_paths(path: str, status: int, mesh: Any, gateway: Any) -> None:
    """Paths are brought into one spelling first, or refused."""
    assert _raw_get(gateway, path, mesh.token("echo:read")) == status


@pytest.mark.parametrize(
    "path",
    [
        "/v1/echo:ping/../echo/r:count",
        "/healthz/../v1/echo/r:count",
        "//v1/echo:ping/%2e%2e/echo/r:count",
    ],
)
def test_public_paths_open_no_other(path: str, gateway: Any) -> None:
    """A path that begins like a public one is no way around the token."""
    assert _raw_get(gateway, path, None) == 401


async def test_grpc_body_over_the_limit(mesh: Any, doors: Any) -> None:
    """A request over the limit is refused before it is sent on."""
    outcome = await doors["grpc"](mesh.token("echo:use"), {"textToSay": "x" * 5_000_000})
    assert (outcome.code, outcome.reason) == (8, "REQUEST_TOO_LARGE")


# By HTTP/1 the gateway closes the connection after its answer, whatever is still to come. A client
# reads the answer all the same, unless it stops at the first failed write.


def test_json_body_over_the_limit(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """HTTP has a status of its own for it."""
    body = {"textToSay": "x" * 5_000_000}
    answer = http.post("/v1/echo:say", json=body, headers=_bearer(mesh, "echo:use"))
    assert answer.status_code == 413
    assert outcome_of(answer).reason == "REQUEST_TOO_LARGE"


def test_mcp_body_over_the_limit(mesh: Any, http: httpx.Client) -> None:
    """MCP callers hear of it as JSON-RPC."""
    params = {"name": "echo_say", "arguments": {"textToSay": "x" * 5_000_000}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = http.post("/mcp", json=call, headers=_bearer(mesh, "echo:use"))
    assert answer.status_code == 413
    assert answer.json()["error"]["data"]["details"][0]["reason"] == "REQUEST_TOO_LARGE"


def test_headers_over_the_limit(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """So it has for headers that no service would take."""
    headers = {**_bearer(mesh, "echo:use"), "x-long": "x" * 20_000}
    answer = http.post("/v1/echo:say", json={}, headers=headers)
    assert answer.status_code == 431
    assert outcome_of(answer).reason == "REQUEST_TOO_LARGE"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"method": "nosuch"}, "not supported"),
        ({"method": "tools/call", "params": {"name": "nosuch", "arguments": {}}}, "Unknown tool"),
        ({"method": "tools/call", "params": {"name": "echo_say", "arguments": []}}, "object"),
        ({"method": "tools/call", "params": {"name": "echo_say_to"}}, "roomName"),
        (
            {
                "method": "tools/call",
                "params": {"name": "echo_say_to", "arguments": {"roomName": "../x"}},
            },
            "traversal",
        ),
    ],
)
def test_bad_mcp_call(call: dict[str, Any], message: str, mesh: Any, http: httpx.Client) -> None:
    """What is no tool call is a JSON-RPC error."""
    sent = {"jsonrpc": "2.0", "id": 7, **call}
    answer = http.post("/mcp", json=sent, headers=_bearer(mesh, "echo:use", "echo:admin")).json()
    assert answer["id"] == 7
    assert message in answer["error"]["message"]


def test_empty_mcp_body(mesh: Any, http: httpx.Client) -> None:
    """No body at all is refused at once, with words that say what to send."""
    for body in (None, b"", iter([b""])):
        answer = http.post("/mcp", content=body, headers=_bearer(mesh, "echo:use"))
        assert answer.status_code == 400
        assert "send one request as JSON-RPC" in answer.json()["error"]["message"]


def test_mcp_takes_post_alone(mesh: Any, http: httpx.Client) -> None:
    """GET and DELETE, with which MCP clients ask for streams and end sessions, are 405."""
    for verb in ("GET", "DELETE"):
        assert http.request(verb, "/mcp", headers=_bearer(mesh, "echo:use")).status_code == 405


def test_unauthorized_says_how(http: httpx.Client) -> None:
    """A 401 says which scheme is wanted, as HTTP and MCP ask for, and repeats nothing."""
    for path in ("/mcp", "/v1/echo:say", "/v1/whoami?password=secret"):
        for key in ({}, {"x-api-key": "tmk_x"}):
            answer = http.post(path, json={}, headers=key)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="toolmesh"'


def _bearer(mesh: Any, *scopes: str) -> dict[str, str]:
    return {"authorization": f"Bearer {mesh.token(*scopes)}"}


def _raw_get(gateway: Any, path: str, token: str | None) -> int:
    """A GET of exactly this path, which HTTP clients would tidy up."""
    host, _, port = gateway.target.partition(":")
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"GET {path} HTTP/1.1\r\nhost: mesh\r\n{authorization}connection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode())
        return int(connection.makefile("rb").readline().split()[1])
