"""The real mesh, as `toolmesh up` starts it, in a folder of its own."""

import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import orjson

from evals.environments import run
from evals.processes import BenchmarkError, free_port
from toolmesh.repomap.v1 import repomap_service_pb2 as pb
from toolmesh.repomap.v1 import repomap_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2, workspace_service_pb2_grpc
from toolmesh_client.api_key import ApiKeyTokens
from toolmesh_client.channels import TokenSource, open_channel
from toolmesh_workspaces.push import Pushed, push_folder
from toolmesh_workspaces.stat_cache import StatCache

_MAP_SECONDS = 900.0
_MOST_CALLS = 5


@dataclass(frozen=True)
class Mesh:
    """A running mesh, called as its administrator.

    Attributes:
        port: the gateway's.
        maps: the repomap service over its own socket; `gateway_maps`: the same through Envoy.
        pids: the process of each service, by its name.
    """

    folder: Path
    port: int
    token: TokenSource
    workspaces: workspace_service_pb2_grpc.WorkspaceServiceStub
    maps: repomap_service_pb2_grpc.RepomapServiceStub
    gateway_maps: repomap_service_pb2_grpc.RepomapServiceStub
    pids: Mapping[str, int]

    async def new_workspace(self, name: str) -> str:
        """Makes an empty workspace and returns its id."""
        request = workspace_service_pb2.CreateWorkspaceRequest(display_name=name)
        return (await self.workspaces.CreateWorkspace(request)).workspace.id

    async def push(self, workspace: str, root: Path) -> Pushed:
        """Pushes a folder as the command line does, remembering what it read."""
        cache = StatCache.for_tree(root, folder=self.folder / "stat-cache")
        return await push_folder(self.workspaces, workspace=workspace, root=root, cache=cache)


async def ask(
    stub: repomap_service_pb2_grpc.RepomapServiceStub, request: pb.MapRequest
) -> pb.MapResponse:
    """The answer to a request, asked again when a first index takes longer than a call may.

    What a call has parsed is kept, so the next goes on from there.

    Raises:
        BenchmarkError: the mesh refuses.
    """
    for attempt in range(1, _MOST_CALLS + 1):
        try:
            return await stub.Map(request, timeout=_MAP_SECONDS)
        except grpc.aio.AioRpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if not late or attempt == _MOST_CALLS:
                raise BenchmarkError(f"a map was refused: {error.details()}") from error
    raise AssertionError("unreachable")


@asynccontextmanager
async def open_mesh(folder: Path) -> AsyncGenerator[Mesh]:
    """Starts a mesh in `folder`, and stops it at the end.

    Raises:
        BenchmarkError: it does not start.
    """
    port = free_port()
    settings = {
        "TOOLMESH_DATA": str(folder),
        # A benchmark asks more often than a user may.
        "TOOLMESH_GATEWAY_RATE_LIMITS": "false",
    }
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLMESH_")}
    env = own | settings
    toolmesh = Path(sys.executable).with_name("toolmesh")
    try:
        await run(toolmesh, "up", "--port", str(port), env=env)
        status = orjson.loads(await run(toolmesh, "status", "--json", env=env))
        pids = {process["name"]: process["pid"] for process in status["processes"]}
        async with AsyncExitStack() as stack:
            yield await _connect(folder, port, pids=pids, stack=stack)
    finally:
        await run(toolmesh, "down", env=env)


async def _connect(
    folder: Path, port: int, *, pids: Mapping[str, int], stack: AsyncExitStack
) -> Mesh:
    sockets = f"unix:{folder}/run/{{}}.sock"
    identity = await stack.enter_async_context(open_channel(sockets.format("identity")))
    token = ApiKeyTokens(identity, (folder / "admin.key").read_text().strip())
    workspace, repomap, gateway = [
        await stack.enter_async_context(open_channel(address, token=token))
        for address in (
            sockets.format("workspace"),
            sockets.format("repomap"),
            f"127.0.0.1:{port}",
        )
    ]
    return Mesh(
        folder=folder,
        port=port,
        token=token,
        workspaces=workspace_service_pb2_grpc.WorkspaceServiceStub(workspace),
        maps=repomap_service_pb2_grpc.RepomapServiceStub(repomap),
        gateway_maps=repomap_service_pb2_grpc.RepomapServiceStub(gateway),
        pids=pids,
    )
