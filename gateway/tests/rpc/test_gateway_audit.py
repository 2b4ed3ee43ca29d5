"""What the gateway tells the audit service, also when that is not there to listen."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from toolmesh_audit.chain import Chain
from toolmesh_audit.events import Event, Outcome
from toolmesh_audit.verification import verify
from toolmesh_serving.redis_store import open_store

_CALLS_PER_SECOND = 300
_DOWN_SECONDS = 10
# The load goes on for so long before the kill and after the return.
_MARGIN_SECONDS = 2
_ARRIVE_SECONDS = 60
_WHOAMI = "/toolmesh.identity.v1.TokenService/WhoAmI"


def _store_url(mesh: Any) -> str:
    # A database of its own: identity's changes are not what is counted here.
    return f"unix://{mesh.folder}/valkey.sock?db=1"


@contextmanager
def _audit(mesh: Any) -> Generator["subprocess.Popen[bytes]"]:
    """The audit service as a process of its own; killed at the end if not before."""
    environment = {
        "PYTHONPATH": str(mesh.stubs),
        "TOOLMESH_ADDRESS_PATTERN": f"unix:{mesh.folder}/{{service}}.sock",
        "TOOLMESH_REDIS_URL": _store_url(mesh),
        "TOOLMESH_LISTEN": "unix:audit.sock",
    }
    with (
        (mesh.folder / "audit.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "toolmesh_audit"],
            cwd=mesh.folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def _chain(mesh: Any) -> AsyncGenerator[Chain]:
    async with open_store(_store_url(mesh), decode_responses=False) as store:
        yield Chain(store)


async def _events(chain: Chain) -> list[Event]:
    found: list[Event] = []
    start = 1
    while records := await chain.read(start=start, count=1000):
        found += [Event.parse(record.event) for record in records]
        start = records[-1].place + 1
    return found


async def _arrived(chain: Chain, ids: Sequence[str]) -> dict[str, list[Event]]:
    """The events of those requests, once there is one of each or time is up."""
    deadline = time.monotonic() + _ARRIVE_SECONDS
    while True:
        by_id: dict[str, list[Event]] = {id_: [] for id_ in ids}
        for event in await _events(chain):
            if event.request_id in by_id:
                by_id[event.request_id].append(event)
        if all(by_id.values()) or time.monotonic() > deadline:
            return by_id
        await asyncio.sleep(0.2)


async def test_every_kind_of_call_is_told(mesh: Any, gateway: Any) -> None:
    """Allowed, denied, unknown and garbled calls, by each door, with who and what and no secret."""
    token = mesh.token("echo:use", sub="ann", sid="session-7", act={"sub": "agent"})
    whole = {"authorization": f"Bearer {token}"}
    mcp = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "echo_say", "arguments": {"textToSay": "private"}},
    }
    run = os.urandom(4).hex()

    def named(name: str, **headers: str) -> dict[str, str]:
        return {"x-request-id": f"{run}-{name}", **headers}

    client = httpx.AsyncClient(base_url=gateway.url, timeout=10)
    say = "/v1/echo:say?access_token=private"
    with _audit(mesh):
        await client.post(say, json={"textToSay": "private"}, headers=named("http", **whole))
        await client.post("/mcp", json=mcp, headers=named("mcp", **whole))
        await client.get("/v1/whoami", headers=named("nobody"))
        await client.get("/v1/whoami", headers=named("bad", authorization="Bearer no.to.ken"))
        await client.get("/v1/apiKeys", headers=named("scope", **whole))
        await client.get("/v1/nosuch", headers=named("unknown", **whole))
        await client.get("/v1/whoami", headers=named("key", **{"x-api-key": mesh.admin_key}))
        garbled = [(b"x-request-id", f"{run}-garbled".encode()), (b"user-agent", b"\xff\xfe")]
        await client.get("/v1/whoami", headers=garbled)
        names = ["http", "mcp", "nobody", "bad", "scope", "unknown", "key", "garbled"]
        async with _chain(mesh) as chain:
            arrived = await _arrived(chain, [f"{run}-{name}" for name in names])
            kept = [record.event for record in await chain.read(start=1, count=1000)]
        await client.aclose()
    told = {id_.removeprefix(f"{run}-"): events for id_, events in arrived.items()}

    assert {name: len(events) for name, events in told.items()} == dict.fromkeys(names, 1)
    (http,) = told["http"]
    assert (http.subject, http.session, http.outcome) == ("ann", "session-7", Outcome.ALLOWED)
    assert (http.actor, told["key"][0].actor) == ("agent", "")
    assert http.method == "/toolmesh.echo.v1.EchoService/Say"
    assert (http.http_method, http.http_path, http.http_status) == ("POST", "/v1/echo:say", 200)
    assert http.peer == "127.0.0.1"
    assert told["mcp"][0].method == http.method
    for name in ("nobody", "bad", "scope", "garbled"):
        assert told[name][0].outcome is Outcome.DENIED, name
    assert told["scope"][0].subject == "ann"
    assert told["nobody"][0].subject == ""
    assert told["unknown"][0].outcome is Outcome.FAILED
    assert told["key"][0].subject == "admin"
    assert told["key"][0].session.startswith("key:")
    assert told["key"][0].method == _WHOAMI
    assert told["key"][0].side_effect == "READ"
    whole_log = b"\n".join(kept)
    for secret in (token, mesh.admin_key, "private", token.rpartition(".")[2]):
        assert secret.encode() not in whole_log


@pytest.mark.slow
async def test_killed_audit_fails_no_call_and_loses_no_event(
    mesh: Any, start_gateway: Callable[..., Any]
) -> None:
    """SIGKILL of audit for 10 s under 300 calls a second: no call fails, each is recorded once."""
    gateway = start_gateway(gateway_rate_limits=False)
    run = os.urandom(4).hex()
    made: list[str] = []
    wrong: list[Any] = []
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        load = asyncio.create_task(_load(channel, mesh.token(sub="ann"), run, made, wrong))
        with _audit(mesh) as first:
            await asyncio.sleep(_MARGIN_SECONDS)
            first.kill()
            first.wait()
        await asyncio.sleep(_DOWN_SECONDS)
        with _audit(mesh):
            await asyncio.sleep(_MARGIN_SECONDS)
            load.cancel()
            await asyncio.wait([load])
            async with _chain(mesh) as chain:
                arrived = await _arrived(chain, made)
                findings = [finding async for finding in verify(chain, anchors={})]
    seen = Counter(len(events) for events in arrived.values())
    print(f"{len(made)} calls, {len(wrong)} failed; events a call: {dict(seen)}")

    assert wrong == []
    assert len(made) > 0.8 * _CALLS_PER_SECOND * (_DOWN_SECONDS + 2 * _MARGIN_SECONDS)
    assert seen == {1: len(made)}
    assert findings[-1].fault is None


async def _load(
    channel: grpc.aio.Channel, token: str, run: str, made: list[str], wrong: list[Any]
) -> None:
    """Calls at a fixed rate until cancelled; every tenth brings no token and must be refused."""
    whoami: Any = channel.unary_unary(_WHOAMI, None, None)

    async def call(name: str, *, allowed: bool) -> None:
        bearer = [("authorization", f"Bearer {token}")] if allowed else []
        try:
            await whoami(b"", metadata=[("x-request-id", name), *bearer], timeout=10)
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
        if code is not (grpc.StatusCode.OK if allowed else grpc.StatusCode.UNAUTHENTICATED):
            wrong.append((name, code))

    begun = time.monotonic()
    calls: list[asyncio.Task[None]] = []
    try:
        for number in itertools.count():
            made.append(f"{run}-{number}")
            calls.append(asyncio.create_task(call(made[-1], allowed=number % 10 != 0)))
            await asyncio.sleep(begun + number / _CALLS_PER_SECOND - time.monotonic())
    finally:
        await asyncio.gather(*calls)
