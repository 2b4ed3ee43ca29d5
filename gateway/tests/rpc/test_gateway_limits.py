"""What happens when calls take too long, when services are away, and what is kept of calls."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

_ECHO = "/toolmesh.echo.v1.EchoService"


def _bearer(mesh: Any, *scopes: str, **changed: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {mesh.token(*scopes, **changed)}"}


async def test_slow_method(mesh: Any, door: Any) -> None:
    """A call ends with the method's timeout."""
    started = time.monotonic()
    outcome = await door(mesh.token("echo:use"), {"delay": "10s"})
    assert (outcome.code, outcome.reason) == (4, "DEADLINE_EXCEEDED")
    assert time.monotonic() - started < 9  # the policy says 2


async def test_hung_service(mesh: Any, door: Any) -> None:
    """A service that does not answer at all is given up at the method's timeout."""
    token = mesh.token("echo:use")
    assert (await door(token, {})).code == 0
    mesh.processes["echo"].send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        outcome = await door(token, {})
        assert time.monotonic() - started < 9
    finally:
        mesh.processes["echo"].send_signal(signal.SIGCONT)
    assert (outcome.code, outcome.reason) == (4, "DEADLINE_EXCEEDED")
    assert (await door(token, {})).code == 0


async def test_callers_deadline(mesh: Any, grpc_outcome: Any) -> None:
    """A gRPC caller's shorter deadline reaches the service; a longer one does not help."""
    for seconds, longest in ((0.5, 2), (30, 9)):
        reason = ""
        while not reason:  # on a slow machine the caller may give up before it hears the reason
            started = time.monotonic()
            outcome = await grpc_outcome(
                f"{_ECHO}/Say", {"delay": "10s"}, token=mesh.token("echo:use"), seconds=seconds
            )
            assert outcome.code == 4
            assert time.monotonic() - started < longest
            reason = outcome.reason


def test_service_is_away(mesh: Any, http: httpx.Client, outcome_of: Any) -> None:
    """A call to a service that does not run is UNAVAILABLE, and says when to come back."""
    answer = http.post("/v1/repomap:map", json={}, headers=_bearer(mesh, "repomap:read"))
    assert answer.status_code == 503
    outcome = outcome_of(answer)
    assert (outcome.code, outcome.reason) == (14, "UNAVAILABLE")
    assert answer.json()["details"][1]["retryDelay"] == "1s"


async def test_service_is_away_by_grpc(mesh: Any, grpc_outcome: Any) -> None:
    """So it is by gRPC."""
    path = "/toolmesh.repomap.v1.RepomapService/Map"
    outcome = await grpc_outcome(path, {}, token=mesh.token("repomap:read"))
    assert (outcome.code, outcome.reason) == (14, "UNAVAILABLE")


def test_identity_is_away(
    mesh: Any, start_gateway: Callable[..., Any], outcome_of: Any, tmp_path: Path
) -> None:
    """Without the keys no token is believed, and nobody is told that theirs is bad."""
    nowhere = f"unix:{tmp_path}/{{service}}.sock"
    alone = start_gateway(address_pattern=nowhere, ready=False)
    with httpx.Client(base_url=alone.url) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        for headers in (_bearer(mesh, "echo:use"), {"x-api-key": mesh.admin_key}):
            answer = client.post("/v1/echo:say", json={}, headers=headers)
            assert answer.status_code == 503
            assert outcome_of(answer).reason == "UNAVAILABLE"


def test_access_log(mesh: Any, start_gateway: Callable[..., Any]) -> None:
    """A line a call, with what is needed to find it and nothing that must not be kept."""
    own = start_gateway()
    token = mesh.token("echo:use", "echo:read", sub="ann")
    headers = {"authorization": f"Bearer {token}", "x-request-id": "find-me"}
    params = {"name": "echo_say", "arguments": {"textToSay": "secret words"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    with httpx.Client(base_url=own.url, headers=headers) as client:
        client.post("/v1/echo:say", json={"textToSay": "secret words"})
        client.post("/mcp", json=call)
        client.get(f"/v1/echo/r:count?last=1&access_token={token}")
        client.get("/v1/nosuch?q=secret%20words")
        client.get("/v1/last")
    lines = _log_lines(own.access_log, until="/v1/last")
    text = own.access_log.read_text()
    assert "secret" not in text
    assert token not in text
    assert "access_token" not in text
    said, told, counted, unknown = (line for line in lines if line.get("sub") == "ann")
    assert said["path"] == "/v1/echo:say"
    assert said["rpc"] == f"{_ECHO}/Say"
    assert (said["http_method"], said["code"], said["cluster"]) == ("POST", 200, "echo")
    assert said["request_id"] == "find-me"
    assert {"time", "duration_ms", "bytes_in", "bytes_out", "user_agent"} <= said.keys()
    assert (told["door"], told["rpc"]) == ("mcp", f"{_ECHO}/Say")
    assert counted["path"] == "/v1/echo/r:count"
    assert unknown["code"] == 404


def _log_lines(path: Path, *, until: str) -> list[dict[str, Any]]:
    """The lines before the one for the path `until`, once it is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines and lines[-1]["path"] == until:
            return lines[:-1]
    raise AssertionError(f"{path} has no line for {until}")
