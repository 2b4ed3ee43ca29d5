"""Files that some rules cannot cope with, and what the others still find in them."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc

Stub = semgrep_service_pb2_grpc.SemgrepServiceStub
Start = Callable[..., Awaitable[Stub]]


def _rule(name: str, pattern: str, **more: Any) -> dict[str, Any]:
    rule = {"id": name, "languages": ["python"], "severity": "INFO", "message": "m"}
    return rule | {"pattern": pattern} | more


def _rules(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": rules})


_EVAL = _rule("no-eval", "eval($X)")
# Patterns whose every part may match anywhere take time beyond measure.
_SLOW = (
    "$A(..., $X, ..., $Y, ..., $Z, ...)\n...\n$B(..., $Y, ..., $X, ..., $W, ...)\n...\n"
    "$C(..., $Z, ..., $X, ...)\n...\nnope($Z)"
)
_SLOW_CODE = (
    "".join(
        f"f({', '.join(chr(97 + (line * 7 + place * place) % 8) for place in range(30))})\n"
        for line in range(300)
    )
    + "nope(q)\n"
)


def _reasons(summary: pb.ScanSummary) -> dict[tuple[str, str], str]:
    return {(each.path, each.rule): each.reason for each in summary.problems}


async def _scan(stub: Stub, workspace: Any, **fields: Any) -> pb.ScanResponse:
    return await stub.Scan(pb.ScanRequest(workspace=workspace.id, **fields))


async def test_slow_rules_take_nothing_from_the_others(
    start_semgrep: Start, push_tree: Any
) -> None:
    """However many time out on a file, all are named, and what others find stays and is kept."""
    stub = await start_semgrep(semgrep_rule_seconds=0.5)
    tree = await push_tree({"a.py": f"eval(1)\n{_SLOW_CODE}"})
    slow = [_rule(f"slow{number}", _SLOW) for number in range(4)]
    response = await _scan(stub, tree, rules=_rules(*slow, _EVAL))
    assert [finding.rule for finding in response.findings] == ["no-eval"]
    assert _reasons(response.summary) == {
        ("a.py", f"slow{number}"): "timed out" for number in range(4)
    }
    alone = await _scan(stub, tree, rules=_rules(_EVAL))
    assert [finding.rule for finding in alone.findings] == ["no-eval"]
    assert alone.summary.scanned_file_count == 0
