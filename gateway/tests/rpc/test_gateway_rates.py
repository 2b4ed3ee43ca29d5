"""What happens to those who call too often: users, API keys, strangers."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc.aio
import httpx
import pytest

from toolmesh.identity.v1 import api_key_service_pb2, api_key_service_pb2_grpc
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import open_channel
from toolmesh_contracts.call_rates import rate_claim

_SAY = "/toolmesh.echo.v1.EchoService/Say"
_HEADERS = ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@pytest.fixture
def client(gateway: Any) -> Iterator[httpx.Client]:
    """An HTTP client of a gateway that limits callers by their tokens alone."""
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield client


def _bearer(mesh: Any, **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {mesh.token('echo:use', **claims)}"}


def _statuses(client: httpx.Client, headers: dict[str, str], calls: int) -> list[int]:
    return [client.get("/v1/whoami", headers=headers).status_code for _ in range(calls)]


def _told(answer: httpx.Response) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in _HEADERS)


def test_a_users_rate(mesh: Any, client: httpx.Client, outcome_of: Any) -> None:
    """As many calls as the token says, over all of the user's tokens; others are not held up."""
    first, second = (_bearer(mesh, sub="ann", rate=rate_claim(5)) for _ in range(2))
    assert _statuses(client, first, 3) == [200] * 3
    assert _statuses(client, second, 4) == [200, 200, 429, 429]
    refused = client.get("/v1/whoami", headers=first)
    outcome = outcome_of(refused)
    assert (outcome.code, outcome.reason) == (8, "RATE_LIMITED")
    assert _told(refused) == ("12", "5", "0", "12")
    assert refused.json()["details"][1]["retryDelay"] == "15s"
    assert _statuses(client, _bearer(mesh, sub="bob", rate=rate_claim(5)), 1) == [200]


def test_a_bucket_fills_again(mesh: Any, client: httpx.Client) -> None:
    """Who has used up its calls gets one more as soon as the rate allows, not a minute later."""
    headers = _bearer(mesh, sub="cem", rate=rate_claim(60))
    assert _statuses(client, headers, 60).count(200) == 60
    deadline = time.monotonic() + 20
    while _statuses(client, headers, 1) != [200]:
        assert time.monotonic() < deadline, "no call was let through again"


def test_a_key_is_limited_besides_its_user(mesh: Any, client: httpx.Client) -> None:
    """What the key refuses is not taken from the user's bucket."""
    by_key = _bearer(mesh, sub="dan", rate=rate_claim(5, key="key:1", of_key=2))
    other = _bearer(mesh, sub="dan", rate=rate_claim(5))
    assert _statuses(client, by_key, 4) == [200, 200, 429, 429]
    assert _told(client.get("/v1/whoami", headers=by_key)) == ("30", "2", "0", "30")
    assert _statuses(client, other, 4) == [200, 200, 200, 429]


async def _key_and_token(mesh: Any, *, calls_per_minute: int) -> tuple[str, str]:
    async with (
        open_channel(f"unix:{mesh.folder}/identity.sock") as public,
        open_channel(
            f"unix:{mesh.folder}/identity.sock", token=ApiKeyTokens(public, mesh.admin_key)
        ) as admin,
    ):
        made = await api_key_service_pb2_grpc.ApiKeyServiceStub(admin).CreateApiKey(
            api_key_service_pb2.CreateApiKeyRequest(
                display_name="few",
                subject="robot",
                roles=["viewer"],
                calls_per_minute=calls_per_minute,
            )
        )
        return made.key, await ApiKeyTokens(public, made.key)()


def test_an_api_key_has_the_rate_it_was_made_with(mesh: Any, client: httpx.Client) -> None:
    """By the key itself or by tokens had for it, in any mixture."""
    key, token = asyncio.run(_key_and_token(mesh, calls_per_minute=3))
    assert _statuses(client, {"x-api-key": key}, 1) == [200]
    assert _statuses(client, {"authorization": f"Bearer {token}"}, 1) == [200]
    assert _statuses(client, {"authorization": f"Bearer {key}"}, 2) == [200, 429]
    refused = client.get("/v1/whoami", headers={"x-api-key": key})
    assert _told(refused) == ("20", "3", "0", "20")


@pytest.mark.parametrize("calls", [1, 2, 7, 13])
def test_any_rate_is_kept_to_the_call(mesh: Any, client: httpx.Client, calls: int) -> None:
    """Not only round ones."""
    headers = _bearer(mesh, sub=f"exact-{calls}", rate=rate_claim(calls))
    assert _statuses(client, headers, calls + 1) == [200] * calls + [429]


def test_headers_have_no_say(mesh: Any, client: httpx.Client) -> None:
    """Nothing that a caller sends makes its calls cheaper or those of another."""
    token = _bearer(mesh, sub="eve", rate=rate_claim(2))
    forged = {
        "x-sub": "somebody-else",
        "x-toolmesh-rate": "0",
        "x-envoy-ratelimited": "false",
        "x-envoy-original-path": "/healthz",
        "x-forwarded-for": "192.0.2.1",
        "x-ratelimit-limit": "1000000",
        "x-user-units": "0",
        "rate": "0",
    }
    assert _statuses(client, token | forged, 3) == [200, 200, 429]
    # A token that claims more is not believed, since it is not identity's.
    head, _, signature = token["authorization"].split(".")
    other = _bearer(mesh, sub="eve", rate=rate_claim(1_000_000))["authorization"].split(".")[1]
    mixed = {"authorization": ".".join((head, other, signature))}
    assert _statuses(client, mixed, 1) == [401]


def test_tokens_that_say_no_rate_share_one(mesh: Any, start_gateway: Callable[..., Any]) -> None:
    """They are not without a limit, whoever they are for."""
    own = start_gateway()
    with httpx.Client(base_url=own.url) as client:
        for user in range(6):
            assert 429 not in _statuses(client, _bearer(mesh, sub=f"u{user}", rate=None), 95)
        statuses = _statuses(client, _bearer(mesh, sub="last", rate=None), 400)
    assert 429 in statuses


async def test_a_grpc_caller_is_told_when_to_come_back(
    mesh: Any, gateway: Any, grpc_outcome: Any, failure_of: Any
) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo, as any other refusal."""
    token = mesh.token("echo:use", sub="fay", rate=rate_claim(1))
    assert (await grpc_outcome(_SAY, {}, token=token)).code == 0
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        stub: Any = channel.unary_unary(_SAY, None, None)
        failure = await failure_of(stub(b"", metadata=(("authorization", f"Bearer {token}"),)))
    assert failure.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert failure.reason == "RATE_LIMITED"
    assert failure.retry_seconds == 60


def test_an_mcp_caller_reads_it(mesh: Any, client: httpx.Client) -> None:
    """The refusal is a JSON-RPC error with the same details."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = _bearer(mesh, sub="gus", rate=rate_claim(12))
    answers = [client.post("/mcp", json=call, headers=headers) for _ in range(13)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    data = answers[-1].json()["error"]["data"]
    assert data["details"][0]["reason"] == "RATE_LIMITED"
    assert data["details"][1]["retryDelay"] == "5s"
    assert _told(answers[-1]) == ("5", "12", "0", "5")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sessions:signIn", {"user": "ann", "password": "a guess"}),
        ("/v1/tokens:exchange", {"apiKey": "tmk_guess"}),
        ("/v1/echo:ping", None),
    ],
)
def test_strangers_are_limited_by_address(
    start_gateway: Callable[..., Any], path: str, body: dict[str, str] | None, outcome_of: Any
) -> None:
    """Public methods, signing in first of all; a token that was not checked changes nothing."""
    own = start_gateway(gateway_address_calls_per_minute=4, gateway_trusted_hops=1, ready=False)
    with httpx.Client(base_url=own.url, timeout=10) as client:

        def call(number: int, address: str = "192.0.2.7") -> httpx.Response:
            headers = {"x-forwarded-for": address, "authorization": f"Bearer {number}"}
            return client.request("POST" if body else "GET", path, json=body, headers=headers)

        answers = [call(number) for number in range(6)]
        assert [answer.status_code == 429 for answer in answers] == [False] * 4 + [True] * 2
        assert outcome_of(answers[-1]).reason == "RATE_LIMITED"
        assert _told(answers[-1]) == ("15", "4", "0", "15")
        assert call(7, "192.0.2.8").status_code != 429


def test_a_network_of_version_6_is_one_address(start_gateway: Callable[..., Any]) -> None:
    """Its holder cannot call from another address each time."""
    own = start_gateway(gateway_address_calls_per_minute=3, gateway_trusted_hops=1, ready=False)
    with httpx.Client(base_url=own.url) as client:

        def call(address: str) -> int:
            return client.get("/v1/echo:ping", headers={"x-forwarded-for": address}).status_code

        statuses = [call(f"2001:db8:0:1::{number:x}") for number in range(1, 6)]
        assert [status == 429 for status in statuses] == [False] * 3 + [True] * 2
        assert call("2001:db8:0:2::1") != 429


def test_guesses_at_api_keys_are_limited_by_address(start_gateway: Callable[..., Any]) -> None:
    """Before identity is asked, whichever header they come in; tokens do not count."""
    own = start_gateway(gateway_address_key_calls_per_minute=4)
    bad = f"tmk_{'a' * 16}_{'b' * 43}"
    with httpx.Client(base_url=own.url) as client:
        statuses = [
            client.get("/v1/whoami", headers=headers).status_code
            for headers in ({"x-api-key": bad}, {"authorization": f"bearer {bad}"})
            for _ in range(3)
        ]
    assert statuses == [401] * 4 + [429] * 2


def test_buckets_are_bounded(mesh: Any, start_gateway: Callable[..., Any]) -> None:
    """Past their number the one unseen for longest is dropped: its caller has a full one again."""
    own = start_gateway(gateway_rate_limit_callers=2)
    ann, bob, eve = (_bearer(mesh, sub=name, rate=rate_claim(1)) for name in ("ann", "bob", "eve"))
    with httpx.Client(base_url=own.url) as client:
        assert _statuses(client, ann, 2) == [200, 429]
        assert _statuses(client, bob, 2) == [200, 429]
        assert _statuses(client, ann, 1) == [429]
        assert _statuses(client, eve, 2) == [200, 429]
        assert _statuses(client, ann, 1) == [429]
        assert _statuses(client, bob, 2) == [200, 429]


def test_nothing_is_counted_aloud(mesh: Any, client: httpx.Client) -> None:
    """Calls that are let through carry none of it, to the caller or to the service."""
    body = {"wantHeaders": True}
    answer = client.post("/v1/echo:say", json=body, headers=_bearer(mesh))
    assert _told(answer) == (None,) * 4
    assert not [line for line in answer.json()["headers"] if re.match("rate|x-ratelimit", line)]
