"""`toolmesh push`: makes a folder the content of a workspace."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolmesh_cli.connection import Session, connected, subject_of
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.push_display import push_display
from toolmesh_cli.pushed import pushed_workspaces, remember_push
from toolmesh_cli.wording import number, size, span

if TYPE_CHECKING:
    from toolmesh.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceStub
    from toolmesh_workspaces.push import Pushed

_SKIPPED_SHOWN = 10
_CALL_SECONDS = 10


@click.command("push")
@click.argument(
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="[DIR]",
)
@click.option("--workspace", metavar="ID", help="Push to this workspace, now and later.")
@click.option("--new", is_flag=True, help="Make a new workspace, even if one is remembered.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def command(
    session: Session, folder: Path, workspace: str | None, new: bool, as_json: bool
) -> None:
    """Push a folder of code to a workspace, for the tools to read.

    Only what the mesh does not have yet is sent; what `.gitignore` names stays here. The first push
    of a folder makes a workspace, and your later ones go to the same.
    """
    if workspace and new:
        raise CliError("--workspace and --new exclude each other", exit_code=ExitCode.USAGE)
    asyncio.run(_push(session, folder.resolve(), workspace, new=new, as_json=as_json))


async def _push(
    session: Session, folder: Path, workspace: str | None, *, new: bool, as_json: bool
) -> None:
    begun = time.monotonic()
    async with connected(session) as channel:
        from toolmesh.workspace.v1 import workspace_service_pb2_grpc

        stub = workspace_service_pb2_grpc.WorkspaceServiceStub(channel)
        memory = _Memory(session, folder, await subject_of(channel))
        if workspace is None:
            pushed, first = await _push_to_own(stub, folder, memory, new=new)
        else:
            pushed, first = await _push_to_named(stub, folder, workspace), False
            memory.put(workspace)
    seconds = time.monotonic() - begun
    if as_json:
        _print_json(pushed, seconds)
    else:
        _print(pushed, seconds, first=first)


class _WorkspaceGone(Exception):
    """There is no workspace of that id for this caller."""


@dataclass(frozen=True)
class _Memory:
    """Which workspace the pushes of a folder by one subject go to."""

    session: Session
    folder: Path
    subject: str

    def get(self) -> str | None:
        mesh, environ = self.session.mesh_name(), self.session.environ
        return pushed_workspaces(mesh, self.folder, environ=environ).get(self.subject)

    def put(self, workspace: str) -> None:
        remember_push(
            self.session.mesh_name(),
            self.folder,
            subject=self.subject,
            workspace=workspace,
            environ=self.session.environ,
        )


async def _push_to_own(
    stub: "WorkspaceServiceStub", folder: Path, memory: _Memory, *, new: bool
) -> tuple["Pushed", bool]:
    """Pushes to the workspace that is remembered, else to a new one; True: to a new one."""
    remembered = None if new else memory.get()
    if remembered is not None:
        try:
            return await _push_to(stub, folder, remembered), False
        except _WorkspaceGone:
            gone = f"workspace {remembered} is gone, or is not shared with you any more"
            click.echo(f"{gone}: a new one is made", err=True)
    target = await _make_workspace(stub, folder)
    # Now, so that a push that fails below is tried again in the same workspace.
    memory.put(target)
    return await _push_to(stub, folder, target), True


async def _push_to_named(stub: "WorkspaceServiceStub", folder: Path, workspace: str) -> "Pushed":
    try:
        return await _push_to(stub, folder, workspace)
    except _WorkspaceGone:
        raise _no_workspace(workspace) from None


async def _make_workspace(stub: "WorkspaceServiceStub", folder: Path) -> str:
    from toolmesh.workspace.v1 import workspace_service_pb2 as pb

    request = pb.CreateWorkspaceRequest(display_name=folder.name[:120] or "root")
    answer = await stub.CreateWorkspace(request, timeout=_CALL_SECONDS)
    return answer.workspace.id


async def _push_to(stub: "WorkspaceServiceStub", folder: Path, workspace: str) -> "Pushed":
    import grpc
    import grpc.aio

    from toolmesh_workspaces.contents import FileChangedError
    from toolmesh_workspaces.listing import ListingError
    from toolmesh_workspaces.push import push_folder
    from toolmesh_workspaces.refusals import ManifestError
    from toolmesh_workspaces.stat_cache import StatCache

    async with push_display() as display:
        try:
            return await push_folder(
                stub,
                workspace=workspace,
                root=folder,
                cache=StatCache.for_tree(folder),
                on_scan=display.on_scan,
                on_push=display.on_push,
            )
        except (ListingError, ManifestError, FileChangedError) as error:
            raise CliError(str(error), exit_code=ExitCode.INVALID) from error
        except OSError as error:
            raise CliError(
                f"{error.filename or folder}: {error.strerror or error}",
                exit_code=ExitCode.INVALID,
            ) from error
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise _WorkspaceGone from None
            raise


def _no_workspace(workspace: str) -> CliError:
    return CliError(
        f"no workspace {workspace!r} that you may push to",
        exit_code=ExitCode.NOT_FOUND,
        hint="`toolmesh workspaces list` lists yours",
    )


def _print(pushed: "Pushed", seconds: float, *, first: bool) -> None:
    workspace = pushed.workspace
    click.echo(f"workspace  {click.style(workspace.id, bold=True)}")
    click.echo(f"snapshot   {workspace.snapshot}")
    files = number(workspace.file_count, "file")
    if pushed.uploaded_blob_count:
        blobs = number(pushed.uploaded_blob_count, "blob")
        sent = f"{blobs} sent, {size(pushed.uploaded_bytes)}"
    else:
        sent = "nothing to send"
    click.echo(f"content    {files}, {size(workspace.size_bytes)}; {sent}; {span(seconds)}")
    skipped = pushed.scan.skipped
    if skipped:
        click.echo(f"skipped    {number(len(skipped), 'path')}:")
    for path in skipped[:_SKIPPED_SHOWN]:
        click.echo(f"           {path.path}: {path.reason}")
    if len(skipped) > _SKIPPED_SHOWN:
        click.echo(f"           and {len(skipped) - _SKIPPED_SHOWN} more (--json shows all)")
    if first:
        hint = f"Ask for its map: toolmesh repomap map --workspace {workspace.id}"
        click.echo(click.style(hint, dim=True), err=True)


def _print_json(pushed: "Pushed", seconds: float) -> None:
    import orjson

    outcome = {
        "workspace": pushed.workspace.id,
        "snapshot": pushed.workspace.snapshot,
        "fileCount": pushed.workspace.file_count,
        "sizeBytes": pushed.workspace.size_bytes,
        "uploadedBlobCount": pushed.uploaded_blob_count,
        "uploadedBytes": pushed.uploaded_bytes,
        "seconds": round(seconds, 3),
        "skipped": [{"path": item.path, "reason": item.reason} for item in pushed.scan.skipped],
    }
    click.echo(orjson.dumps(outcome, option=orjson.OPT_INDENT_2))
