"""A service that dies takes no other with it, and is back within seconds."""

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from toolmesh.audit.v1 import audit_service_pb2, audit_service_pb2_grpc
from toolmesh.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from toolmesh.identity.v1 import token_service_pb2, token_service_pb2_grpc
from toolmesh.repomap.v1 import repomap_service_pb2, repomap_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2, workspace_service_pb2_grpc
from toolmesh_client.api_key import ApiKeyTokens

_CALLS_PER_SECOND = 100
# Where the machine cannot keep up with that, calls do not pile up until they are too late.
_MOST_AT_ONCE = 100
# Far more than it takes, since other work on the machine must not fail a test. A call that needs
# the service may wait until it is back.
_BACK_WITHIN_SECONDS = 20
_CALL_SECONDS = 30
# The load goes on for so long before the kill and after the return.
_MARGIN_SECONDS = 1

Probe = Callable[[], Awaitable[Any]]


@pytest.fixture(scope="module")
def workspace(toolmesh: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace with a little code."""
    folder: Path = tmp_path_factory.mktemp("code")
    (folder / "greet.py").write_text("def greet(name):\n    return f'hello {name}'\n")
    (folder / "main.py").write_text("from greet import greet\n\nprint(greet('mesh'))\n")
    pushed = toolmesh("push", str(folder), "--json")
    assert pushed.returncode == 0, pushed.stderr
    return json.loads(pushed.stdout)["workspace"]


@pytest.mark.parametrize("victim", ["audit", "catalog", "identity", "repomap", "workspace"])
async def test_killed_service_comes_back_alone(
    victim: str, toolmesh: Any, mesh_address: str, mesh_admin_key: str, workspace: str
) -> None:
    """Under 100 calls a second, SIGKILL of one service fails no call to any other."""
    async with grpc.aio.insecure_channel(mesh_address) as channel:
        token = await ApiKeyTokens(channel, mesh_admin_key)()
        probes = _probes(channel, token, workspace)
        killed = probes.pop(victim)
        done = asyncio.Event()
        load = asyncio.create_task(_load(probes, done))
        await asyncio.sleep(_MARGIN_SECONDS)
        os.kill(_pid(toolmesh, victim), signal.SIGKILL)
        seconds = await _until_back(killed)
        await asyncio.sleep(_MARGIN_SECONDS)
        done.set()
        made, failures = await load
    print(f"{victim}: back after {seconds:.1f} s; {made} calls to the others, none failed")
    assert failures == []
    assert made >= _CALLS_PER_SECOND * _MARGIN_SECONDS
    assert seconds < _BACK_WITHIN_SECONDS


def _probes(channel: grpc.aio.Channel, token: str, workspace: str) -> dict[str, Probe]:
    """A cheap real call to each service."""
    metadata = [("authorization", f"Bearer {token}")]
    audit = audit_service_pb2_grpc.AuditServiceStub(channel)
    tokens = token_service_pb2_grpc.TokenServiceStub(channel)
    catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    workspaces = workspace_service_pb2_grpc.WorkspaceServiceStub(channel)
    repomap = repomap_service_pb2_grpc.RepomapServiceStub(channel)
    calls: Mapping[str, tuple[Any, Any]] = {
        "audit": (
            audit.ListAuditEvents,
            audit_service_pb2.ListAuditEventsRequest(page_size=1),
        ),
        "identity": (tokens.WhoAmI, token_service_pb2.WhoAmIRequest()),
        "catalog": (catalog.ListTools, catalog_service_pb2.ListToolsRequest()),
        "workspace": (
            workspaces.GetWorkspace,
            workspace_service_pb2.GetWorkspaceRequest(workspace=workspace),
        ),
        "repomap": (
            repomap.Map,
            repomap_service_pb2.MapRequest(workspace=workspace, max_tokens=200),
        ),
    }

    def probe(method: Any, request: Any) -> Probe:
        async def call() -> Any:
            return await method(request, metadata=metadata, timeout=_CALL_SECONDS)

        return call

    return {service: probe(method, request) for service, (method, request) in calls.items()}


def _pid(toolmesh: Any, service: str) -> int:
    processes = json.loads(toolmesh("status", "--json").stdout)["processes"]
    return next(process["pid"] for process in processes if process["name"] == service)


async def _load(
    probes: Mapping[str, Probe], done: asyncio.Event
) -> tuple[int, list[tuple[str, str]]]:
    """Calls the services in turn at a fixed rate; returns how often, and what failed."""
    failures: list[tuple[str, str]] = []
    places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def call(service: str, probe: Probe) -> None:
        try:
            await probe()
        except grpc.aio.AioRpcError as error:
            failures.append((service, str(error)))
        finally:
            places.release()

    begun, made = time.monotonic(), 0
    async with asyncio.TaskGroup() as calls:
        for service in itertools.cycle(probes):
            if done.is_set():
                break
            await places.acquire()
            calls.create_task(call(service, probes[service]))
            made += 1
            await asyncio.sleep(begun + made / _CALLS_PER_SECOND - time.monotonic())
    return made, failures


async def _until_back(probe: Probe) -> float:
    """How many seconds it takes until the probe succeeds again."""
    begun = time.monotonic()
    while True:
        try:
            await probe()
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic() - begun
