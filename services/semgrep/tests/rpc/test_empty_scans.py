"""A scan that looks at nothing says so, however it is asked for: it must not look clean."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toolmesh.semgrep.v1 import finding_pb2, semgrep_service_pb2_grpc
from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb

Scan = Callable[..., Awaitable[pb.ScanResponse]]

_RULE = {"id": "r", "languages": ["python"], "severity": "INFO", "message": "m"}
_RULES = json.dumps({"rules": [{**_RULE, "pattern": "eval(...)"}]})
_FILES = {"shop/a.py": "eval(1)\n", "shop/b.go": "package b\n"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"include": ["shopp/**"]}, "no file was scanned: `include`"),
        ({"exclude": ["shop/"]}, "no file was scanned: `include`"),
        ({"include": ["*.go"]}, "in a language of the rules"),
        ({"severities": [finding_pb2.SEVERITY_ERROR]}, "no rule ran: `severities`"),
    ],
)
async def test_a_scan_of_nothing_is_a_problem(
    fields: dict[str, Any],
    said: str,
    scan: Scan,
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub,
    push_tree: Any,
) -> None:
    """The answer, the stream and the document say that it covered nothing, and by which field."""
    workspace = (await push_tree(_FILES)).id
    for _ in range(2):
        summary = (await scan(workspace=workspace, rules=_RULES, **fields)).summary
        (problem,) = summary.problems
        assert (problem.path, problem.rule, summary.problem_count) == ("", "", 1)
        assert said in problem.reason
    request = pb.ScanRequest(workspace=workspace, rules=_RULES, **fields)
    steps = [step async for step in semgrep.WatchScan(pb.WatchScanRequest(scan=request))]
    assert list(steps[-1].summary.problems) == [problem]
    document = json.loads((await semgrep.ExportSarif(pb.ExportSarifRequest(scan=request))).sarif)
    assert document["runs"][0]["invocations"][0]["toolExecutionNotifications"] == [
        {"level": "warning", "message": {"text": problem.reason}}
    ]


async def test_a_baseline_without_files_is_none(scan: Scan, push_tree: Any) -> None:
    """That all findings are new is what a new folder is scanned for."""
    old = await push_tree({"README.md": "x\n"})
    response = await scan(
        _FILES, workspace=old.id, rules=_RULES, baseline_snapshot=old.snapshot, include=["shop/"]
    )
    assert response.summary.finding_count == 1
    assert not response.summary.problems
