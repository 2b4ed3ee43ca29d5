"""Scans that wait for the engine, for their callers, or for room, and hold nobody up."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc

Stub = semgrep_service_pb2_grpc.SemgrepServiceStub
Start = Callable[..., Awaitable[Stub]]


def _rules(pattern: str, **more: Any) -> str:
    rule = {"id": "r", "languages": ["python"], "severity": "INFO", "message": "m"}
    return json.dumps({"rules": [rule | {"pattern": pattern} | more]})


async def test_the_time_of_a_scan_counts_while_it_waits(
    start_semgrep: Start, push_tree: Any, slow_pattern: str, slow_code: str
) -> None:
    """With one process and many scans, each ends in its time and says what was not scanned."""
    stub = await start_semgrep(semgrep_processes=1, semgrep_scan_seconds=3, semgrep_rule_seconds=4)
    trees = [await push_tree({"a.py": f"x = {n}\n{slow_code}"}) for n in range(6)]
    slow = _rules(slow_pattern)
    # What is known of the rules keeps no scan waiting.
    await stub.ValidateRule(pb.ValidateRuleRequest(rules=slow))
    begun = time.monotonic()
    responses = await asyncio.gather(
        *(stub.Scan(pb.ScanRequest(workspace=tree.id, rules=slow)) for tree in trees)
    )
    assert time.monotonic() - begun < 9
    for response in responses:
        (problem,) = response.summary.problems
        assert "time of a scan was up" in problem.reason


async def test_a_client_that_stops_reading_keeps_no_place(
    start_semgrep: Start, push_tree: Any
) -> None:
    """The scan goes on and ends without it, also when its report is known from before."""
    stub = await start_semgrep(semgrep_scans=1)
    tree = await push_tree({"a.py": "print(1)\n" * 1_500, "b.py": "print(2)\n" * 1_500})
    # More than the connection takes in for a client that does not read.
    loud = _rules("print(...)", message="m" * 2_000)
    request = pb.ScanRequest(workspace=tree.id, rules=loud)
    other = pb.ScanRequest(workspace=tree.id, rules=_rules("open(...)"))
    async with AsyncExitStack() as stack:
        for _ in range(2):
            call = stub.WatchScan(pb.WatchScanRequest(scan=request))
            stack.callback(call.cancel)
            steps = aiter(call)
            while not (await anext(steps)).HasField("finding"):
                pass
            response = await stub.Scan(other)
            assert response.summary.file_count == 2


async def test_copies_are_not_laid_out_all_at_once(
    start_semgrep: Start, push_tree: Any, tmp_path: Path
) -> None:
    """Equal contents that a rule reads by their paths are read in batches like others."""
    stub = await start_semgrep(semgrep_processes=1)
    content = "x = 1\n" * 130_000
    tree = await push_tree({f"d{n}/a.py": content for n in range(12)})
    rules = _rules("eval($X)", paths={"include": ["/d1/"]})
    scan = asyncio.ensure_future(stub.Scan(pb.ScanRequest(workspace=tree.id, rules=rules)))
    most = 0
    while not scan.done():
        await asyncio.sleep(0.01)
        most = max(most, await asyncio.to_thread(_bytes_in, tmp_path / "semgrep" / "engine"))
    assert (await scan).summary.file_count == 12
    assert len(content) < most < 4 * len(content)


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*.py"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:  # it was read meanwhile
            continue
    return total
