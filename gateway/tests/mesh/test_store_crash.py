"""Valkey killed under load: what was acknowledged is kept, and live tokens are good meanwhile."""

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import redis

from toolmesh.audit.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc
from toolmesh.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from toolmesh.identity.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    role_service_pb2,
    role_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from toolmesh_client.api_key import ApiKeyTokens

_KILLS = 2
_SECONDS_BETWEEN = 1.5
_CALLS_PER_SECOND = 100
_WRITERS = 3
_CALL_SECONDS = 10
_PATIENCE_SECONDS = 30
# What a change is answered with whose commit was cut off: nobody knows then whether it was made.
_MAY_BE_DONE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


@dataclass
class Acknowledged:
    """What the mesh said that it had done.

    Attributes:
        users: the roles of each user; None: removed.
        keys: the whole key by id; empty: revoked.
        events: an action and its target, for each change.
    """

    users: dict[str, str | None] = field(default_factory=dict[str, Any])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    roles: set[str] = field(default_factory=set[str])
    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    refused: int = 0


@dataclass(frozen=True)
class Admin:
    """The stubs of an administrator."""

    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str], ...]

    async def call(self, stub: type[Any], method: str, request: Any) -> Any:
        """Calls a method."""
        work = getattr(stub(self.channel), method)
        return await work(request, metadata=self.metadata, timeout=_CALL_SECONDS)

    async def users(self, method: str, **fields: Any) -> Any:
        """Calls the service of users."""
        request = getattr(user_service_pb2, f"{method}Request")(**fields)
        return await self.call(user_service_pb2_grpc.UserServiceStub, method, request)

    async def keys(self, method: str, **fields: Any) -> Any:
        """Calls the service of API keys."""
        request = getattr(api_key_service_pb2, f"{method}Request")(**fields)
        return await self.call(api_key_service_pb2_grpc.ApiKeyServiceStub, method, request)

    async def roles(self, method: str, **fields: Any) -> Any:
        """Calls the service of roles."""
        request = getattr(role_service_pb2, f"{method}Request")(**fields)
        return await self.call(role_service_pb2_grpc.RoleServiceStub, method, request)


async def test_killed_store_loses_no_acknowledged_change(
    toolmesh: Any, mesh_address: str, mesh_admin_key: str, mesh_folder: Path
) -> None:
    """SIGKILL of Valkey, twice, while three clients change users, keys and roles."""
    store = redis.Redis(unix_socket_path=str(mesh_folder / "run" / "valkey.sock"))
    with store:
        settings: Any = store.config_get("append*")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")

    async with grpc.aio.insecure_channel(mesh_address) as channel:
        token = await ApiKeyTokens(channel, mesh_admin_key)()
        admin = Admin(channel, (("authorization", f"Bearer {token}"),))
        ended = await _ended_token(admin)
        done = Acknowledged()
        async with _load(channel, token) as load, _changes(admin, done):
            for _ in range(_KILLS):
                await asyncio.sleep(_SECONDS_BETWEEN)
                os.kill(_pid(toolmesh, "valkey"), signal.SIGKILL)
                await _more(done)
        print(f"{len(done.events)} changes kept, {done.refused} refused; {load.made} calls went on")
        assert load.failures == []
        assert len(done.events) > 50

        try:
            assert await _lost(admin, done) == []
        finally:
            for role in done.roles:
                await admin.roles("DeleteRole", name=role)
        # Also by a process that has all it knows of revocations from the store.
        assert not await _is_good(channel, ended)
        os.kill(_pid(toolmesh, "identity"), signal.SIGKILL)

        async def back() -> bool:
            return await _is_good(channel, token)

        await _until(back)
        assert not await _is_good(channel, ended)


async def _more(done: Acknowledged) -> None:
    """Waits until every writer has gone on since now."""
    before = len(done.events)

    async def is_more() -> bool:
        return len(done.events) > before + _WRITERS

    await _until(is_more)


async def _ended_token(admin: Admin) -> str:
    made = await admin.keys("CreateApiKey", display_name="x", subject="gone", roles=["viewer"])
    token = await ApiKeyTokens(admin.channel, made.key)()
    assert await _is_good(admin.channel, token)
    await admin.keys("RevokeApiKey", id=made.api_key.id)

    async def refused() -> bool:
        return not await _is_good(admin.channel, token)

    await _until(refused)
    return token


async def _is_good(channel: grpc.aio.Channel, token: str) -> bool:
    """Whether a token is taken; not while identity is away."""
    stub = token_service_pb2_grpc.TokenServiceStub(channel)
    metadata = (("authorization", f"Bearer {token}"),)
    try:
        await stub.WhoAmI(token_service_pb2.WhoAmIRequest(), metadata=metadata, timeout=5)
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED):
            raise
        return False
    return True


@dataclass
class Load:
    """Calls with a live token."""

    made: int = 0
    failures: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def _load(channel: grpc.aio.Channel, token: str) -> AsyncGenerator[Load]:
    """Calls two services in turn at a fixed rate, by methods that need no store."""
    load = Load()
    metadata = (("authorization", f"Bearer {token}"),)
    whoami = token_service_pb2_grpc.TokenServiceStub(channel).WhoAmI
    tools = catalog_service_pb2_grpc.CatalogServiceStub(channel).ListTools
    calls = itertools.cycle(
        (
            (whoami, token_service_pb2.WhoAmIRequest()),
            (tools, catalog_service_pb2.ListToolsRequest()),
        )
    )

    async def call(method: Any, request: Any) -> None:
        try:
            await method(request, metadata=metadata, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            load.failures.append(str(error))

    async def run() -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for method, request in calls:
                group.create_task(call(method, request))
                load.made += 1
                due = begun + load.made / _CALLS_PER_SECOND
                await asyncio.sleep(due - time.monotonic())

    running = asyncio.create_task(run())
    try:
        yield load
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def _changes(admin: Admin, done: Acknowledged) -> AsyncGenerator[None]:
    """Changes things until the block ends; what fails is tried on with the next name."""
    stop = asyncio.Event()

    async def run(writer: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            try:
                await _change(admin, done, f"crash{writer}-{number}")
            except grpc.aio.AioRpcError as error:
                if error.code() not in _MAY_BE_DONE:
                    raise
                done.refused += 1

    writers = [asyncio.create_task(run(writer)) for writer in range(_WRITERS)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*writers)


async def _change(admin: Admin, done: Acknowledged, name: str) -> None:
    """One user's life, with a key, and now and then a role."""

    def note(action: str, target: str) -> None:
        done.events.append((f"identity.{action}", target))

    await admin.users("CreateUser", id=name, roles=["viewer"])
    done.users[name] = "viewer"
    note("user.create", name)
    made = await admin.keys("CreateApiKey", display_name="x", subject=name, roles=["viewer"])
    key_id = made.api_key.id
    done.keys[key_id] = made.key
    note("api_key.create", key_id)
    # Until the answer is here, either is right.
    del done.users[name]
    developer = user_service_pb2.RoleNames(names=["developer"])
    await admin.users("UpdateUser", id=name, roles=developer)
    done.users[name] = "developer"
    note("user.update", name)
    number = int(name.partition("-")[2])
    if number % 3 == 1:
        del done.keys[key_id]
        await admin.keys("RevokeApiKey", id=key_id)
        done.keys[key_id] = ""
        note("api_key.revoke", key_id)
    if number % 3 == 2:
        del done.users[name], done.keys[key_id]
        await admin.users("DeleteUser", id=name)
        done.users[name], done.keys[key_id] = None, ""
        note("user.delete", name)
    if number % 10 == 0:
        await admin.roles("CreateRole", name=name, scopes=["identity:read"])
        done.roles.add(name)
        note("role.create", name)


async def _lost(admin: Admin, done: Acknowledged) -> list[Any]:
    """What was acknowledged and is not so."""
    users = {each.id: each async for each in _pages(admin.users, "ListUsers", "users")}
    keys = {each.id: each async for each in _pages(admin.keys, "ListApiKeys", "api_keys")}
    roles = {each.name for each in (await admin.roles("ListRoles")).roles}
    wrong: list[Any] = [role for role in done.roles if role not in roles]
    for name, role in done.users.items():
        if role is None:
            wrong += [name] if name in users else []
        elif name not in users or list(users[name].roles) != [role]:
            wrong.append((name, role))
    for key_id, whole in done.keys.items():
        good = await _exchanges(admin.channel, whole) if whole else False
        if key_id not in keys or keys[key_id].HasField("revoke_time") is good:
            wrong.append(key_id)
    return wrong + await _unaudited(admin, done)


async def _pages(call: Callable[..., Any], method: str, items: str) -> AsyncIterator[Any]:
    token = ""
    while True:
        page = await call(method, page_size=1000, page_token=token)
        for each in getattr(page, items):
            yield each
        token = page.next_page_token
        if not token:
            return


async def _exchanges(channel: grpc.aio.Channel, whole: str) -> bool:
    try:
        return bool(await ApiKeyTokens(channel, whole)())
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise
        return False


async def _unaudited(admin: Admin, done: Acknowledged) -> list[Any]:
    """The changes that the audit log does not tell of, once there is time no more."""

    async def events(method: str, **fields: Any) -> Any:
        request = audit_service_pb2.ListAuditEventsRequest(
            kind=audit_event_pb2.AUDIT_EVENT_KIND_ADMIN, **fields
        )
        return await admin.call(audit_service_pb2_grpc.AuditServiceStub, method, request)

    missing = set(done.events)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while missing and time.monotonic() < deadline:
        async for event in _pages(events, "ListAuditEvents", "audit_events"):
            missing.discard((event.change.action, event.change.target))
    verify = audit_service_pb2_grpc.AuditServiceStub(admin.channel).VerifyAudit(
        audit_service_pb2.VerifyAuditRequest(), metadata=admin.metadata
    )
    last = [answer async for answer in verify][-1]
    return [*missing] if last.valid else [*missing, last.message]


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.05)


def _pid(toolmesh: Any, process: str) -> int:
    processes = json.loads(toolmesh("status", "--json").stdout)["processes"]
    return next(each["pid"] for each in processes if each["name"] == process)
