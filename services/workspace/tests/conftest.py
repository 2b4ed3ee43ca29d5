"""Real parts for the tests of the workspace service, beside those of the repository's conftest.

- `redis_store`: the connection to an empty Valkey.
- `s3_bucket: str`: `s3://…` on a local server that speaks S3; the environment leads there.
- `blobs: BlobStore`: an empty store in a folder.
- `parts: Parts`: the domain put together on both.
"""

import itertools
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from toolmesh_serving.redis_store import open_store
from toolmesh_workspace.blob_store import BlobStore
from toolmesh_workspace.leases import Leases
from toolmesh_workspace.push import Pushes
from toolmesh_workspace.push_slots import PushSlots
from toolmesh_workspace.records import Records
from toolmesh_workspace.sharing import Sharing
from toolmesh_workspace.snapshots import Snapshots
from toolmesh_workspace.sweep import Sweeper
from toolmesh_workspace.tar_upload import TarUploads
from toolmesh_workspace.workspaces import Workspaces
from toolmesh_workspaces.limits import Limits
from toolmesh_workspaces.manifest_cache import ManifestCache


@dataclass(frozen=True)
class Parts:
    """Everything that the service is made of."""

    store: Any
    records: Records
    leases: Leases
    blobs: BlobStore
    snapshots: Snapshots
    sweeper: Sweeper
    pushes: Pushes
    uploads: TarUploads
    workspaces: Workspaces
    sharing: Sharing
    spool: Path


@pytest.fixture
async def redis_stores(valkey_url: str) -> AsyncGenerator[Sequence[Any]]:
    """Connections to an empty Valkey, for a few replicas."""
    async with AsyncExitStack() as opened:
        opening = [open_store(valkey_url, decode_responses=True) for _ in range(3)]
        yield [await opened.enter_async_context(store) for store in opening]


@pytest.fixture
def redis_store(redis_stores: Sequence[Any]) -> Any:
    """The connection of the first replica."""
    return redis_stores[0]


@pytest.fixture
def blob_folder(tmp_path: Path) -> Path:
    """Where `blobs` lie."""
    return tmp_path / "blobs"


@pytest.fixture
def blobs(blob_folder: Path) -> BlobStore:
    """An empty store in a folder."""
    return BlobStore.open(str(blob_folder))


@pytest.fixture
def make_parts(
    redis_stores: Sequence[Any], blobs: BlobStore, tmp_path: Path
) -> Callable[..., Parts]:
    """Makes the domain on the real stores, with limits of one's own: a replica more each time."""
    replicas = itertools.cycle(redis_stores)

    def make(limits: Limits = Limits(), *, most_pushes: int = 8) -> Parts:  # noqa: B008 - frozen
        store = next(replicas)
        records, leases = Records(store), Leases(store)
        snapshots = Snapshots(records=records, blobs=blobs, cache=ManifestCache())
        shared: dict[str, Any] = {"records": records, "blobs": blobs, "snapshots": snapshots}
        slots = PushSlots(most=most_pushes, most_a_subject=2)
        writing: dict[str, Any] = {"leases": leases, "slots": slots, "limits": limits, **shared}
        spool = tmp_path / "spool"
        spool.mkdir(exist_ok=True)
        return Parts(
            store=store,
            leases=leases,
            sweeper=Sweeper(leases=leases, **shared),
            pushes=Pushes(**writing),
            uploads=TarUploads(spool_folder=spool, **writing),
            workspaces=Workspaces(**shared),
            sharing=Sharing(records),
            spool=spool,
            **shared,
        )

    return make


@pytest.fixture
def parts(make_parts: Callable[..., Parts]) -> Parts:
    """The domain on the real stores, with the usual limits."""
    return make_parts()


@pytest.fixture(scope="session")
def _s3_endpoint() -> Generator[str]:
    """A server that speaks S3, on loopback and in a process of its own."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"Running on (http://\S+)", line):
                break
        else:
            raise RuntimeError("the S3 server did not start")
        # It logs every request, and would stop at a pipe that nobody reads.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield found[1]
        server.kill()


@pytest.fixture
def s3_bucket(_s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty bucket with a prefix."""
    bucket = f"bucket-{uuid4()}"
    request = urllib.request.Request(f"{_s3_endpoint}/{bucket}", method="PUT")
    urllib.request.urlopen(request).close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://{bucket}/some/prefix"
