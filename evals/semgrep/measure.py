"""Times scans by the command and at the gateway of a fresh mesh, on the same rules and files."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from grpc_health.v1 import health_pb2, health_pb2_grpc

from evals.processes import BenchmarkError
from evals.repomap.mesh import Mesh, open_mesh
from evals.semgrep.cli_peer import scan as scan_by_command
from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2
from toolmesh_client.channels import open_channel

RULES = Path(__file__).parents[2] / "services" / "semgrep" / "rules"
_SCAN_SECONDS = 300.0
_CONCURRENT_SCANS = 2
_PAUSE_SECONDS = 0.01
_ONE_FILE = "def total(expression):\n    return eval(expression)\n"
# What is added to a file, by its ending.
_ADDED = {
    ".py": "\n\ndef added{0}(text):\n    return eval(text)\n",
    ".js": "\nfunction added{0}(text) {{ return eval(text) }}\n",
    ".ts": "\nfunction added{0}(text: string) {{ return eval(text) }}\n",
    ".go": "\nfunc added{0}(text string) string {{ return text }}\n",
    ".java": "\nclass Added{0} {{ }}\n",
}
# A rule that was never seen has to run on every file.
_NEW_RULE = """
rules:
  - id: new-{0}
    languages: [python]
    severity: INFO
    message: m
    patterns:
      - pattern: $F(..., $X, ...)
      - metavariable-regex: {{metavariable: $F, regex: "^wanted{0}$"}}
"""


@dataclass(frozen=True)
class Timed:
    """Seconds of one thing, done several times, and how many findings there were."""

    seconds: tuple[float, ...]
    findings: int

    @property
    def median(self) -> float:
        """The median."""
        return median(self.seconds)


@dataclass(frozen=True)
class Waits:
    """What other calls took while scans ran, in seconds."""

    health: tuple[float, ...]
    other_service: tuple[float, ...]


@dataclass(frozen=True)
class Compared:
    """Everything that was measured; `commands` is None for what was left out.

    Attributes:
        one_file: push and scan of a file that was never seen.
        cold: push and scan of a tree; `cold_scan`: the scan alone.
        edited: push and scan after one file was changed.
        warm: the scan again, when nothing changed.
    """

    file_count: int
    rule_count: int
    one_file: Timed
    cold: Timed
    cold_scan: Timed
    edited: Timed
    warm: Timed
    waits: Waits
    command_one_file: Timed | None
    command_tree: Timed | None


async def compare(
    tree: Path, *, folder: Path, repeats: int, with_command: bool, tell: Callable[[str], None]
) -> Compared:
    """Measure both sides; `tree` is changed.

    Raises:
        BenchmarkError: the mesh or the command fails.
    """
    one = folder / "one"
    one.mkdir()
    command_one_file = command_tree = None
    if with_command:
        tell("the command, on one file and on the tree")
        (one / "total.py").write_text(_ONE_FILE)
        command_one_file = await _commands(one, repeats)
        command_tree = await _commands(tree, 1)
    tell("the mesh")
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(open_mesh(folder / "mesh"))
        gateway = open_channel(f"127.0.0.1:{mesh.port}", token=mesh.token)
        channel = await stack.enter_async_context(gateway)
        side = _Side(mesh, semgrep_service_pb2_grpc.SemgrepServiceStub(channel))
        one_file = await side.one_file(one, repeats)
        workspace = await mesh.new_workspace("tree")
        begun = time.perf_counter()
        await mesh.push(workspace, tree)
        cold_scan, first = await side.scan(workspace)
        cold = time.perf_counter() - begun
        edited = await side.edited(workspace, tree, repeats)
        warm = [await side.scan(workspace) for _ in range(repeats)]
        waits = await side.waits(workspace)
    return Compared(
        file_count=first.summary.file_count,
        rule_count=first.summary.rule_count,
        one_file=one_file,
        cold=Timed((cold,), first.summary.finding_count),
        cold_scan=Timed((cold_scan,), first.summary.finding_count),
        edited=edited,
        warm=Timed(tuple(seconds for seconds, _ in warm), warm[0][1].summary.finding_count),
        waits=waits,
        command_one_file=command_one_file,
        command_tree=command_tree,
    )


async def _commands(tree: Path, repeats: int) -> Timed:
    scans = [await scan_by_command(tree, RULES) for _ in range(repeats)]
    return Timed(tuple(scan.seconds for scan in scans), len(scans[0].findings))


@dataclass(frozen=True)
class _Side:
    """The service, called through the gateway."""

    mesh: Mesh
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub

    async def scan(self, workspace: str, rules: str = "") -> tuple[float, pb.ScanResponse]:
        begun = time.perf_counter()
        response = await self.semgrep.Scan(
            pb.ScanRequest(workspace=workspace, rules=rules), timeout=_SCAN_SECONDS
        )
        return time.perf_counter() - begun, response

    async def pushed_and_scanned(self, workspace: str, tree: Path) -> tuple[float, pb.ScanResponse]:
        begun = time.perf_counter()
        await self.mesh.push(workspace, tree)
        _, response = await self.scan(workspace)
        return time.perf_counter() - begun, response

    async def one_file(self, tree: Path, repeats: int) -> Timed:
        """Push and scan one file, each time a new one to the service."""
        seconds: list[float] = []
        found = 0
        for number in range(repeats):
            (tree / "total.py").write_text(f"{_ONE_FILE}\n# {number}\n")
            workspace = await self.mesh.new_workspace(f"one {number}")
            took, response = await self.pushed_and_scanned(workspace, tree)
            seconds.append(took)
            found = response.summary.finding_count
        return Timed(tuple(seconds), found)

    async def edited(self, workspace: str, tree: Path, repeats: int) -> Timed:
        """Change a file of the language that has the most, push and scan."""
        files, added = await asyncio.to_thread(_editable, tree)
        seconds: list[float] = []
        found = 0
        for number in range(repeats):
            with files[(number + 1) * 7919 % len(files)].open("a") as out:
                out.write(added.format(number))
            took, response = await self.pushed_and_scanned(workspace, tree)
            seconds.append(took)
            found = response.summary.finding_count
        return Timed(tuple(seconds), found)

    async def waits(self, workspace: str) -> Waits:
        """Call other things, one after the other, while scans run that nothing is known for."""
        scans = [
            asyncio.create_task(self.scan(workspace, _NEW_RULE.format(number)))
            for number in range(_CONCURRENT_SCANS)
        ]
        health: list[float] = []
        other: list[float] = []
        request = workspace_service_pb2.GetWorkspaceRequest(workspace=workspace)
        address = f"unix:{self.mesh.folder}/run/semgrep.sock"
        async with open_channel(address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            while not all(task.done() for task in scans):
                health.append(await _seconds(check(health_pb2.HealthCheckRequest())))
                other.append(await _seconds(self.mesh.workspaces.GetWorkspace(request)))
                await asyncio.sleep(_PAUSE_SECONDS)
        for task in scans:
            await task
        return Waits(tuple(health), tuple(other))


def _editable(tree: Path) -> tuple[list[Path], str]:
    """Return the files that can be edited, all of one language, and what to add to one."""
    most = max(_ADDED, key=lambda ending: sum(1 for _ in tree.rglob(f"*{ending}")))
    files = sorted(tree.rglob(f"*{most}"))
    if not files:
        raise BenchmarkError(f"there is nothing to edit: no {', '.join(_ADDED)}")
    return files, _ADDED[most]


async def _seconds(call: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await call
    return time.perf_counter() - begun


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile: of a hundred, one took longer."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
