"""What attackers send: smuggled headers and requests, two credentials at once, bombs of JSON."""

import json
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

_SECONDS = 30
_SMUGGLED = "GET /v1/whoami HTTP/1.1\r\nhost: mesh\r\n\r\n"
_POST = "POST /v1/echo:say HTTP/1.1\r\nhost: mesh\r\nAUTH"
_GET = "GET /v1/whoami HTTP/1.1\r\nhost: mesh\r\nAUTH"

# Each is one request to a strict reader, and perhaps two, or another one, to a lax one.
_AMBIGUOUS = {
    "both lengths": f"{_POST}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": f"{_POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": f"{_POST}transfer-encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "two lengths": f"{_POST}content-length: 2\r\ncontent-length: 42\r\n\r\n{{}}",
    "negative length": f"{_POST}content-length: -2\r\n\r\n{{}}",
    "negative chunk": f"{_POST}transfer-encoding: chunked\r\n\r\n-2\r\n{{}}\r\n0\r\n\r\n",
    "blank before the colon": f"{_GET}x-a : b\r\n\r\n",
    "zero byte": f"{_GET}x-a: a\0b\r\n\r\n",
    "no host": "GET /v1/whoami HTTP/1.1\r\nAUTH\r\n",
    "fragment": "GET /v1/echo:ping#/../../whoami HTTP/1.1\r\nhost: mesh\r\nAUTH\r\n",
    "tunnel": "CONNECT mesh:80 HTTP/1.1\r\nhost: mesh:80\r\nAUTH\r\n",
    "authority of its own": "GET http://[mesh/v1/whoami HTTP/1.1\r\nhost: mesh\r\nAUTH\r\n",
}


@pytest.mark.parametrize("kind", _AMBIGUOUS)
def test_requests_that_can_be_read_in_two_ways_are_refused(
    kind: str, mesh: Any, gateway: Any
) -> None:
    """One answer, a refusal, and the connection is closed: what follows is no second request."""
    answer = _send(gateway, _AMBIGUOUS[kind] + _SMUGGLED, mesh.token("echo:use"))

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))


_FORGED = {
    "plain": "x-sub: admin",
    "twice": "x-sub: admin\r\nX-Sub: admin",
    "underscore": "x_sub: admin",
    "carriage return": "x-a: a\rx-sub: admin",
    "line feed": "x-a: a\nx-sub: admin",
    "folded": "x-a: a\r\n x-sub: admin",
    "named in connection": "connection: close, x-sub\r\nx-sub: admin",
    "the gateway's own": "x-toolmesh-sub: admin\r\nx-envoy-original-path: /admin",
    "upgrade": "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk",
}


@pytest.mark.parametrize("kind", _FORGED)
def test_no_header_says_who_calls(kind: str, mesh: Any, gateway: Any) -> None:
    """However it is written, the service hears of the token's subject, once, and of nobody else."""
    body = '{"wantHeaders": true}'
    request = (
        f"{_POST}{_FORGED[kind]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    )
    answer = _send(gateway, request, mesh.token("echo:use", sub="ann"))

    assert answer.startswith(b"HTTP/1.1 200"), answer
    heard = json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]
    # What a caller put into another header's value stays there, as one value.
    names = [header.partition(":")[0] for header in heard]
    assert [header for header in heard if header.startswith("x-sub")] == ["x-sub: ann"]
    assert not [name for name in names if name.startswith(("x_", "x-toolmesh-sub", "upgrade"))]
    assert not [header for header in heard if header.endswith("/admin")]


def test_nobody_is_logged_as_somebody(gateway: Any, http: httpx.Client) -> None:
    """Nor does a caller without a token get a name into the log, where no service looks at it."""
    call = f"nobody-{os.urandom(8).hex()}"
    answer = http.get("/v1/echo:ping", headers={"x-sub": "admin", "x-request-id": call})
    assert answer.status_code == 200
    deadline = time.monotonic() + _SECONDS
    lines: list[dict[str, Any]] = []
    while not lines:
        assert time.monotonic() < deadline
        text = gateway.access_log.read_text()
        lines = [json.loads(line) for line in text.splitlines() if call in line]

    assert "sub" not in lines[0]


def test_the_callers_address_is_the_one_that_the_gateway_sees(mesh: Any, gateway: Any) -> None:
    """Guessing passwords is counted by address; a caller that invents one gains nothing."""
    reasons: list[str] = []
    with httpx.Client(base_url=gateway.url, timeout=_SECONDS) as client:
        for number in range(11):
            invented = {
                "x-forwarded-for": f"192.0.2.{number}",
                "x-real-ip": f"192.0.2.{number}",
                "forwarded": f"for=192.0.2.{number}",
                "true-client-ip": f"192.0.2.{number}",
                "x-toolmesh-client": f"192.0.2.{number}",
            }
            guess = {"user": "victim", "password": f"guess {number}"}
            answer = client.post("/v1/sessions:signIn", json=guess, headers=invented)
            reasons.append(answer.json()["details"][0]["reason"])

    assert reasons == ["SIGN_IN_FAILED"] * 10 + ["TOO_MANY_ATTEMPTS"]


def test_behind_a_proxy_the_callers_address_is_the_one_that_the_proxy_saw(
    mesh: Any, start_gateway: Callable[..., Any]
) -> None:
    """Of the addresses that were forwarded, the proxy's own word counts, not the caller's."""
    own = start_gateway(gateway_trusted_hops=1)
    headers = {
        "authorization": f"Bearer {mesh.token('echo:use')}",
        "x-forwarded-for": "203.0.113.9, 192.0.2.7",
    }
    said = httpx.post(
        f"{own.url}/v1/echo:say", json={"wantHeaders": True}, headers=headers, timeout=_SECONDS
    )

    assert "x-toolmesh-client: 192.0.2.7" in said.json()["headers"]


# ANN and ADMIN stand for good tokens, KEY for the administrator's key.
_TWO_CREDENTIALS: dict[str, tuple[list[tuple[str, str]], str]] = {
    "two tokens": ([("authorization", "Bearer ANN"), ("authorization", "Bearer ADMIN")], ""),
    "two in one": ([("authorization", "Bearer ANN, Bearer ADMIN")], ""),
    "key, then token": ([("authorization", "Bearer KEY"), ("authorization", "Bearer ANN")], ""),
    "token, then key": ([("authorization", "Bearer ANN"), ("authorization", "Bearer KEY")], ""),
    "token within another scheme": ([("authorization", "Basic Bearer ANN")], ""),
    "two keys": ([("x-api-key", "tmk_x"), ("x-api-key", "KEY")], ""),
    "good token, bad key": ([("authorization", "Bearer ANN"), ("x-api-key", "tmk_x")], ""),
    "good token, garbled key": ([("authorization", "Bearer ANN"), ("x-api-key", "\xff")], ""),
    "token and key": ([("authorization", "Bearer ANN"), ("x-api-key", "KEY")], "admin"),
    "token and empty key": ([("authorization", "Bearer ANN"), ("x-api-key", "")], "ann"),
}


@pytest.mark.parametrize("kind", _TWO_CREDENTIALS)
def test_of_two_credentials_gateway_and_service_take_the_same(
    kind: str, mesh: Any, gateway: Any
) -> None:
    """Or both are refused: nobody is one caller to the gateway and another one to the service."""
    headers, expected = _TWO_CREDENTIALS[kind]
    real = {
        "ANN": mesh.token("echo:use", sub="ann"),
        "ADMIN": mesh.token("echo:use", "identity:admin", sub="admin"),
        "KEY": mesh.admin_key,
    }
    sent: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        # All at once: a token may have the letters of a word by chance.
        whole = re.sub("|".join(real), lambda word: real[word[0]], value)
        sent.append((name.encode(), whole.encode("latin-1")))
    with httpx.Client(base_url=gateway.url, timeout=_SECONDS) as client:
        service = client.get("/v1/whoami", headers=sent)
        said = client.post("/v1/echo:say", json={"wantHeaders": True}, headers=sent)

    if not expected:
        assert (service.status_code, said.status_code) == (401, 401)
        return
    assert service.json()["subject"] == expected, said.text
    assert said.is_success, said.text
    assert f"x-sub: {expected}" in said.json()["headers"]


def _get(**changed: str) -> list[tuple[str, str]]:
    fields = {":method": "GET", ":scheme": "http", ":path": "/v1/whoami", ":authority": "mesh"}
    return list({**fields, **changed}.items())


_ANN = ("authorization", "Bearer ANN")
_HTTP2 = {
    "two paths": [*_get(), (":path", "/v1/echo:ping"), _ANN],
    "no path": [*_get()[:2], _get()[3], _ANN],
    "empty path": [*_get(**{":path": ""}), _ANN],
    "path without a slash": [*_get(**{":path": "v1/whoami"}), _ANN],
    "request line in the path": [*_get(**{":path": "/v1/whoami HTTP/1.1\r\nx-sub: admin"}), _ANN],
    "blank in the method": [*_get(**{":method": "GET /x"}), _ANN],
    "path after a header": [*_get()[:2], _get()[3], _ANN, (":path", "/v1/whoami")],
    "invented pseudo-header": [*_get(), (":sub", "admin"), _ANN],
    "two authorities": [*_get(), (":authority", "other"), _ANN],
    "upper case": [*_get(), ("Authorization", "Bearer ANN")],
    "lines in a value": [*_get(), _ANN, ("x-a", "a\r\nx-sub: admin")],
    "colon in a name": [*_get(), _ANN, ("x-sub: admin\r\nx-a", "a")],
    "chunked": [*_get(), _ANN, ("transfer-encoding", "chunked")],
    "connection": [*_get(), _ANN, ("connection", "x-sub")],
    "length without a body": [*_get(), _ANN, ("content-length", "9")],
}


def test_http2_is_answered(mesh: Any, gateway: Any) -> None:
    """A request that is as it should be gets through: the others are refused for a cause."""
    assert b'"subject":"ann"' in _http2(gateway, [*_get(), _ANN], mesh.token(sub="ann"))


@pytest.mark.parametrize("kind", _HTTP2)
def test_http2_oddities_are_refused(kind: str, mesh: Any, gateway: Any) -> None:
    """Requests that HTTP/2 forbids, most since HTTP/1 would read two things into them."""
    assert b"subject" not in _http2(gateway, _HTTP2[kind], mesh.token(sub="ann"))


@pytest.mark.parametrize("stated", ["9", "999999"])
def test_http2_length_must_be_true(stated: str, mesh: Any, gateway: Any) -> None:
    """A body of another length than was stated is refused: filters go by what is stated."""
    fields = [*_get(**{":method": "POST", ":path": "/mcp"}), _ANN, ("content-length", stated)]
    body = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    answer = _http2(gateway, fields, mesh.token(sub="ann"), body=body.encode())

    assert b"jsonrpc" not in answer


@pytest.mark.parametrize("deadline", ["-1S", "99999999999H", "1S, 9H"])
def test_odd_deadlines(deadline: str, mesh: Any, gateway: Any) -> None:
    """None makes a call live longer than its method may."""
    fields = [
        *_get(**{":method": "POST", ":path": "/toolmesh.echo.v1.EchoService/Say"}),
        _ANN,
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", deadline),
    ]
    # A `delay` of 60 s; the method may take two.
    delay = bytes([0, 0, 0, 0, 4]) + b"\x12\x02\x08\x3c"
    begun = time.monotonic()
    _http2(gateway, fields, mesh.token("echo:use"), body=delay)

    assert time.monotonic() - begun < 20


# What stands for a tool's arguments, and whether they are taken.
_BOMBS = {
    "objects": ('{"anything":' + '{"a":' * 100_000 + "1" + "}" * 100_001, False),
    "lists": ('{"anything":{"a":' + "[" * 200_000 + "]" * 200_000 + "}}", False),
    "open": ("[" * 400_000, False),
    "behind a text": (
        '{"textToSay":"\\"]}","anything":' + "[" * 200_000 + "]" * 200_000 + "}",
        False,
    ),
    "number without end": ('{"anything":{"a":' + "9" * 100_000 + "}}", False),
    "number too large": ('{"maxTokens":1e999}', False),
    "members": ('{"anything":{' + ",".join(f'"{n}":1' for n in range(50_000)) + "}}", True),
    "brackets in a text": ('{"textToSay":"' + '[{\\"' * 10_000 + '"}', True),
}


@pytest.mark.parametrize("door", ["http", "mcp"])
@pytest.mark.parametrize("kind", _BOMBS)
def test_json_bombs_end_their_own_call_alone(
    kind: str, door: str, mesh: Any, http: httpx.Client
) -> None:
    """Deep nesting and endless numbers are refused, and the gateway answers the next call."""
    arguments, taken = _BOMBS[kind]
    path, body = "/v1/echo:say", arguments
    if door == "mcp":
        params = f'{{"name":"echo_say","arguments":{arguments}}}'
        path, body = "/mcp", f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'
    headers = {"authorization": f"Bearer {mesh.token('echo:use')}"}
    answer = http.post(path, content=body, headers={**headers, "content-type": "application/json"})

    assert answer.status_code == (200 if taken else 400)
    assert http.get("/v1/whoami", headers=headers).status_code == 200


@pytest.mark.parametrize("part", ["id", "method", "params"])
def test_deep_mcp_envelope(part: str, mesh: Any, http: httpx.Client) -> None:
    """Nesting is counted wherever it is, and named in the refusal."""
    members = {"jsonrpc": '"2.0"', "id": "1", "method": '"ping"', "params": "{}"}
    members[part] = "[" * 100_000 + "]" * 100_000
    body = ",".join(f'"{name}":{value}' for name, value in members.items())
    headers = {"authorization": f"Bearer {mesh.token('echo:use')}"}
    answer = http.post("/mcp", content=f"{{{body}}}", headers=headers)

    assert answer.status_code == 400
    assert "nested deeper than 100 levels" in str(answer.json()["error"]["data"])


@pytest.mark.parametrize(
    "path",
    [
        "/envoy.service.auth.v3.Authorization/Check",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
    ],
)
async def test_what_services_say_to_each_other_is_not_for_callers(
    path: str, mesh: Any, unknown_outcome: Any
) -> None:
    """The gateway knows no way to the methods that ask for no token."""
    outcome = await unknown_outcome(path, token=mesh.token("echo:use", "identity:admin"))

    assert (outcome.code, outcome.reason) == (12, "METHOD_UNKNOWN")


_MASS_ASSIGNMENT: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/users", {"id": "eve", "uid": "x"}),
    ("POST", "/v1/users", {"id": "eve", "scopes": ["identity:admin"]}),
    ("POST", "/v1/users", {"user": {"id": "eve", "roles": ["admin"]}}),
    ("POST", "/v1/users:provision", {"users": [{"id": "eve", "password": "x" * 12}]}),
    ("PATCH", "/v1/users/eve", {"scopes": ["identity:admin"]}),
    ("PATCH", "/v1/users/eve", {"roles": {"names": ["admin"], "scopes": ["identity:admin"]}}),
    ("PATCH", "/v1/users/eve", {"suspendTime": None}),
    ("PATCH", "/v1/users/eve", {"id": "admin", "displayName": "eve"}),
    ("POST", "/v1/sessions:signIn", {"user": "eve", "password": "x", "roles": ["admin"]}),
    ("POST", "/v1/apiKeys", {"displayName": "x", "roles": ["viewer"], "owner": "admin"}),
    ("POST", "/v1/apiKeys", {"displayName": "x", "roles": ["viewer"], "api_key": {"id": "a"}}),
    ("POST", "/v1/tokens:exchange", {"apiKey": "x", "roles": ["admin"]}),
    ("POST", "/v1/users:changePassword", {"currentPassword": "x", "id": "admin"}),
    ("PATCH", "/v1/users/eve?roles=admin", {"displayName": "eve"}),
]


@pytest.mark.parametrize(("verb", "path", "body"), _MASS_ASSIGNMENT)
def test_mass_assignment(
    verb: str, path: str, body: dict[str, Any], mesh: Any, http: httpx.Client
) -> None:
    """What a method does not take is refused, not dropped and not taken, from an admin, too."""
    headers = {"x-api-key": mesh.admin_key}
    answer = http.request(verb, path, json=body, headers=headers)

    assert answer.status_code == 400, answer.text
    assert answer.json()["details"][0]["reason"] == "FIELD_INVALID"
    assert http.get("/v1/users/eve", headers=headers).status_code == 404


def _send(gateway: Any, request: str, token: str) -> bytes:
    """All that is answered to exactly these bytes, which HTTP clients would not send."""
    content = request.replace("AUTH", f"authorization: Bearer {token}\r\nconnection: close\r\n")
    with _connected(gateway) as connection:
        connection.sendall(content.encode())
        return connection.makefile("rb").read()


def _connected(gateway: Any) -> socket.socket:
    host, _, port = gateway.target.partition(":")
    return socket.create_connection((host, int(port)), timeout=_SECONDS)


# HTTP/2 by hand (RFC 9113), with header fields as HPACK's plain literals (RFC 7541).
_DATA, _HEADERS, _RESET, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4


def _http2(
    gateway: Any, fields: Sequence[tuple[str, str]], token: str, *, body: bytes = b""
) -> bytes:
    """The body that is answered to a request of these header fields; empty if it is refused."""
    block = b"".join(
        b"\0" + _literal(name) + _literal(value.replace("ANN", token)) for name, value in fields
    )
    flags = _END_HEADERS if body else _END_HEADERS | _END_STREAM
    request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b"")
    request += _frame(_HEADERS, flags, 1, block)
    if body:
        request += _frame(_DATA, _END_STREAM, 1, body)
    answer = b""
    with _connected(gateway) as connection:
        connection.sendall(request)
        reader = connection.makefile("rb")
        while len(head := reader.read(9)) == 9:
            content = reader.read(int.from_bytes(head[:3]))
            kind, flags = head[3], head[4]
            if kind == _DATA:
                answer += content
            ended = kind in (_DATA, _HEADERS) and flags & _END_STREAM
            if ended or kind in (_RESET, _GOAWAY):
                break
    return answer


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


def _literal(text: str) -> bytes:
    content = text.encode()
    length, more = len(content), b""
    if length < 127:
        return bytes([length]) + content
    length -= 127
    while length >= 128:
        more += bytes([length % 128 + 128])
        length //= 128
    return b"\x7f" + more + bytes([length]) + content
