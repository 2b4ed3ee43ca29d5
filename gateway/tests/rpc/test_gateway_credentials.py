"""API keys, and tokens that browsers can only send in a query or a cookie."""

import base64
import json
from collections.abc import Generator
from typing import Any

import httpx
import pytest

_COUNT = "/v1/echo/r:count?last=1"


@pytest.fixture
def admin(mesh: Any, gateway: Any) -> Generator[httpx.Client]:
    """A client with the first administrator's key."""
    headers = {"x-api-key": mesh.admin_key}
    with httpx.Client(base_url=gateway.url, headers=headers) as client:
        yield client


def _new_key(admin: httpx.Client, *roles: str) -> dict[str, Any]:
    body = {"displayName": "test", "subject": "bob", "roles": roles}
    made = admin.post("/v1/apiKeys", json=body)
    assert made.status_code == 200, made.text
    return made.json()


async def test_api_key_at_every_door(mesh: Any, door: Any) -> None:
    """An API key is as good as a token; the service sees the token made of it, and no key."""
    request = {"wantHeaders": True}
    as_bearer = await door(mesh.admin_key, request)
    as_header = await door(None, request, {"x-api-key": mesh.admin_key})
    for outcome in (as_bearer, as_header):
        headers = outcome.answer["headers"]
        assert "x-sub: admin" in headers
        assert "authorization: Bearer eyJhb" in headers
        assert not [h for h in headers if "tmk_" in h or h.startswith("x-api-key")]


async def test_scheme_in_other_letters(mesh: Any, door: Any) -> None:
    """The scheme's name is not case-sensitive."""
    headers = {"authorization": f"bearer {mesh.admin_key}"}
    assert (await door(None, {}, headers)).code == 0


@pytest.mark.parametrize("key", ["tmk_", "tmk_x", f"tmk_{'a' * 16}_{'b' * 43}"])
async def test_unknown_api_key(key: str, door: Any) -> None:
    """An unknown or malformed key is refused, however it is sent."""
    for outcome in (await door(key, {}), await door(None, {}, {"x-api-key": key})):
        assert (outcome.code, outcome.reason) == (16, "API_KEY_INVALID")


def test_revoked_api_key(admin: httpx.Client, http: httpx.Client, outcome_of: Any) -> None:
    """A revoked key is refused from the next call on."""
    made = _new_key(admin, "developer")
    key = {"x-api-key": made["key"]}
    assert http.post("/v1/echo:say", json={}, headers=key).status_code == 200
    assert admin.post(f"/v1/apiKeys/{made['apiKey']['id']}:revoke", json={}).status_code == 200
    refused = http.post("/v1/echo:say", json={}, headers=key)
    assert outcome_of(refused).reason == "API_KEY_INVALID"


async def test_api_key_gives_its_scopes_alone(admin: httpx.Client, door: Any) -> None:
    """A key is not allowed what its roles do not give."""
    outcome = await door(_new_key(admin, "viewer")["key"], {})
    assert (outcome.code, outcome.reason) == (7, "SCOPE_MISSING")


def test_exchange(mesh: Any, http: httpx.Client) -> None:
    """A key is exchanged for a token with some of its scopes."""
    body = {"apiKey": mesh.admin_key, "scopes": ["echo:read"]}
    answer = http.post("/v1/tokens:exchange", json=body).json()
    bearer = {"authorization": f"Bearer {answer['accessToken']}"}
    assert http.get(_COUNT, headers=bearer).status_code == 200
    assert http.post("/v1/echo:say", json={}, headers=bearer).status_code == 403


@pytest.mark.parametrize("query", ["access_token={}&last=1", "last=1&access_token={}"])
def test_token_in_query(query: str, mesh: Any, http: httpx.Client) -> None:
    """A GET may bring its token in the query, as a browser's WebSocket has to."""
    path = f"/v1/echo/r:count?{query.format(mesh.token('echo:read'))}"
    assert http.get(path).status_code == 200


def test_token_in_cookie(mesh: Any, http: httpx.Client) -> None:
    """Or in a cookie, beside others."""
    cookie = f"theme=dark; toolmesh_token={mesh.token('echo:read')}; lang=en"
    assert http.get(_COUNT, headers={"cookie": cookie}).status_code == 200


def test_cookie_changes_nothing(mesh: Any, http: httpx.Client) -> None:
    """A cookie is not enough for a call that may change something: any page could send it."""
    cookie = {"cookie": f"toolmesh_token={mesh.token('echo:use')}"}
    assert http.post("/v1/echo:say", json={}, headers=cookie).status_code == 401
    query = f"access_token={mesh.token('echo:use')}"
    assert http.post(f"/v1/echo:say?{query}", json={}).status_code == 401


def test_header_goes_before_cookie(mesh: Any, http: httpx.Client) -> None:
    """A token in the header is the one that counts."""
    headers = {
        "authorization": f"Bearer {mesh.token('echo:use')}",
        "cookie": f"toolmesh_token={mesh.token('echo:read')}",
    }
    assert http.get(_COUNT, headers=headers).status_code == 403


def test_bad_token_in_query(mesh: Any, http: httpx.Client) -> None:
    """A bad token is one wherever it is."""
    claims = base64.urlsafe_b64encode(json.dumps(mesh.claims("echo:read")).encode()).decode()
    for token in ("x", "", f"e30.{claims}."):
        assert http.get(f"{_COUNT}&access_token={token}").status_code == 401


def test_credentials_go_no_further(mesh: Any, http: httpx.Client) -> None:
    """Neither cookies nor a token in the query reach the service."""
    headers = {
        "authorization": f"Bearer {mesh.token('echo:use')}",
        "cookie": "toolmesh_token=xyz; theme=dark",
    }
    body = {"wantHeaders": True}
    answer = http.post("/v1/echo:say?access_token=xyz", json=body, headers=headers)
    received = "\n".join(answer.json()["headers"])
    assert "xyz" not in received  # no hexadecimal digits, of which ids are made
    assert "cookie" not in received


@pytest.mark.parametrize(
    "cookie", ["toolmesh_token=x", "theme=dark; toolmesh_token=x", "a_toolmesh_token=x"]
)
async def test_a_cookie_does_not_lead_a_call_astray(mesh: Any, door: Any, cookie: str) -> None:
    """A browser sends its cookies with calls that bring a token in its place; those count."""
    outcome = await door(mesh.token("echo:use"), {"wantHeaders": True}, {"cookie": cookie})
    assert outcome.code == 0
    assert not [h for h in outcome.answer["headers"] if h.startswith("cookie")]
