"""Times searches at the gateway of a real mesh, and weighs the service."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from evals.repomap.mesh import Mesh, open_mesh
from toolmesh.codesearch.v1 import codesearch_service_pb2 as pb
from toolmesh.codesearch.v1 import codesearch_service_pb2_grpc
from toolmesh_client.channels import open_channel

_WARM_UP = 10
_CALL_SECONDS = 120.0
_CONCURRENT = 10
_SECONDS_BETWEEN_CHECKS = 0.02
_EDIT = "\n\ndef benchmark_edit_{}(value):\n    return value + {}\n"


@dataclass(frozen=True)
class Tree:
    """Files to push, and questions about them."""

    name: str
    files: Mapping[str, Path]
    questions: Sequence[str]


@dataclass
class Timed:
    """What was measured of one tree; all times in seconds, by the caller's clock.

    Attributes:
        symbol_count: what can be found, symbols, sections and files.
        push: the whole tree, `first_answer` the keyword search right after it.
        edits: an index by words after one file was edited and pushed.
        share_ready: the share of embeddings that was there when queries were timed.
        queries: each another question; `health` the checks while ten searches ran at once.
        memory_bytes: the proportional set size of the service and its workers, the most seen.
    """

    name: str
    file_count: int
    symbol_count: int = 0
    push: float = 0.0
    first_answer: float = 0.0
    edits: list[float] = field(default_factory=list)
    share_ready: float = 0.0
    queries: list[float] = field(default_factory=list)
    concurrent: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory_bytes: int = 0


@dataclass(frozen=True)
class Searchable:
    """A mesh and its codesearch service.

    Attributes:
        stub: the service through the gateway; `health` is asked at the service itself.
    """

    mesh: Mesh
    stub: codesearch_service_pb2_grpc.CodesearchServiceStub
    health: health_pb2_grpc.HealthStub
    pid: int

    def memory_bytes(self) -> int:
        """The proportional set size of the service and its children: shared pages count once."""
        service = psutil.Process(self.pid)
        sizes: list[int] = []
        for process in (service, *service.children(recursive=True)):
            try:
                sizes.append(process.memory_full_info().pss)
            except psutil.NoSuchProcess:
                continue
        return sum(sizes)


@asynccontextmanager
async def open_searchable(folder: Path) -> AsyncGenerator[Searchable]:
    """Starts a mesh in `folder`, and stops it at the end."""
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(open_mesh(folder))
        gateway = open_channel(f"127.0.0.1:{mesh.port}", token=mesh.token)
        service = open_channel(f"unix:{folder}/run/codesearch.sock")
        yield Searchable(
            mesh,
            codesearch_service_pb2_grpc.CodesearchServiceStub(
                await stack.enter_async_context(gateway)
            ),
            health_pb2_grpc.HealthStub(await stack.enter_async_context(service)),
            mesh.pids["codesearch"],
        )


async def measure(
    tree: Tree,
    *,
    folder: Path,
    calls: int,
    edits: int,
    fill_seconds: float,
    tell: Callable[[str], None],
) -> Timed:
    """Starts a mesh, pushes a tree and measures.

    Embeddings are waited for, at most `fill_seconds`.

    Raises:
        BenchmarkError: the mesh does not start.
        grpc.aio.AioRpcError: it refuses.
    """
    root = folder / "tree"
    await asyncio.to_thread(_lay, tree, root)
    timed = Timed(tree.name, len(tree.files))
    async with open_searchable(folder / "mesh") as searchable:
        workspace = await searchable.mesh.new_workspace("benchmark")
        await _first_answer(searchable, workspace, root, tree.questions[0], timed)
        tell(f"{tree.name}: {timed.symbol_count:,} symbols; waiting for embeddings")
        await _fill(searchable, workspace, fill_seconds, tell)
        await _edits(searchable, workspace, root, edits, timed)
        await _fill(searchable, workspace, fill_seconds, tell)
        await _queries(searchable, workspace, tree.questions, calls, timed)
        await _concurrent(searchable, workspace, tree.questions, calls, timed)
        timed.memory_bytes = max(timed.memory_bytes, searchable.memory_bytes())
    return timed


def _lay(tree: Tree, root: Path) -> None:
    for path, file in tree.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


async def _first_answer(
    searchable: Searchable, workspace: str, root: Path, question: str, timed: Timed
) -> None:
    begun = time.perf_counter()
    await searchable.mesh.push(workspace, root)
    timed.push = time.perf_counter() - begun
    begun = time.perf_counter()
    await _search(searchable, workspace, question)
    timed.first_answer = time.perf_counter() - begun
    timed.memory_bytes = searchable.memory_bytes()
    summary = await _index(searchable, workspace)
    timed.symbol_count = summary.symbol_count


async def _fill(
    searchable: Searchable, workspace: str, seconds: float, tell: Callable[[str], None]
) -> None:
    end = time.monotonic() + seconds
    told = 0.0
    async for answer in searchable.stub.Index(
        pb.IndexRequest(workspace=workspace), timeout=_CALL_SECONDS + seconds
    ):
        step = answer.progress
        if step.stage == "embeddings" and time.monotonic() > told + 30:
            told = time.monotonic()
            tell(f"  {step.done_count:,} of {step.total_count:,} embedded")
        if time.monotonic() > end:
            return


async def _edits(
    searchable: Searchable, workspace: str, root: Path, count: int, timed: Timed
) -> None:
    for number, file in enumerate(await asyncio.to_thread(_editable, root, count)):
        with file.open("a") as appended:
            appended.write(_EDIT.format(number, number))
        await searchable.mesh.push(workspace, root)
        begun = time.perf_counter()
        await _index(searchable, workspace)
        timed.edits.append(time.perf_counter() - begun)


def _editable(root: Path, count: int) -> list[Path]:
    """Files of Python, as far from each other as can be."""
    code = sorted(file for file in root.rglob("*.py") if file.stat().st_size)
    return code[:: max(len(code) // max(count, 1), 1)][:count]


async def _queries(
    searchable: Searchable, workspace: str, questions: Sequence[str], calls: int, timed: Timed
) -> None:
    for question in _asked(questions, _WARM_UP, "warm up"):
        await _search(searchable, workspace, question)
    for question in _asked(questions, calls, "one by one"):
        begun = time.perf_counter()
        answer = await _search(searchable, workspace, question)
        timed.queries.append(time.perf_counter() - begun)
        timed.share_ready = answer.share_ready
    timed.memory_bytes = max(timed.memory_bytes, searchable.memory_bytes())


async def _concurrent(
    searchable: Searchable, workspace: str, questions: Sequence[str], calls: int, timed: Timed
) -> None:
    waiting = iter(_asked(questions, calls, "at once"))

    async def ask() -> None:
        for question in waiting:
            begun = time.perf_counter()
            await _search(searchable, workspace, question)
            timed.concurrent.append(time.perf_counter() - begun)

    async def check() -> None:
        while True:
            begun = time.perf_counter()
            await searchable.health.Check(health_pb2.HealthCheckRequest(), timeout=_CALL_SECONDS)
            timed.health.append(time.perf_counter() - begun)
            await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)

    checking = asyncio.create_task(check())
    await asyncio.gather(*(ask() for _ in range(_CONCURRENT)))
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)


def _asked(questions: Sequence[str], count: int, mark: str) -> list[str]:
    """Questions, no two of them alike, so that no answer can be a kept one."""
    return [f"{questions[each % len(questions)]} {mark} {each}" for each in range(count)]


async def _search(searchable: Searchable, workspace: str, question: str) -> pb.SearchResponse:
    request = pb.SearchRequest(workspace=workspace, query=question)
    return await searchable.stub.Search(request, timeout=_CALL_SECONDS)


async def _index(searchable: Searchable, workspace: str) -> pb.IndexSummary:
    """What is ready once words can be searched."""
    request = pb.IndexRequest(workspace=workspace, words_only=True)
    summary = pb.IndexSummary()
    async for answer in searchable.stub.Index(request, timeout=_CALL_SECONDS):
        summary = answer.summary
    return summary
