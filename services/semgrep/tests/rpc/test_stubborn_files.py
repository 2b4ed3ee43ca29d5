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


def _reasons(summary: pb.ScanSummary) -> dict[tuple[str, str], str]:
    return {(each.path, each.rule): each.reason for each in summary.problems}


async def _scan(stub: Stub, workspace: Any, **fields: Any) -> pb.ScanResponse:
    return await stub.Scan(pb.ScanRequest(workspace=workspace.id, **fields))


async def test_slow_rules_take_nothing_from_the_others(
    start_semgrep: Start, push_tree: Any, slow_pattern: str, slow_code: str
) -> None:
    """However many time out on a file, all are named, and what others find stays and is kept."""
    stub = await start_semgrep(semgrep_rule_seconds=0.5)
    tree = await push_tree({"a.py": f"eval(1)\n{slow_code}"})
    slow = [_rule(f"slow{number}", slow_pattern) for number in range(4)]
    response = await _scan(stub, tree, rules=_rules(*slow, _EVAL))
    assert [finding.rule for finding in response.findings] == ["no-eval"]
    assert _reasons(response.summary) == {
        ("a.py", f"slow{number}"): "timed out" for number in range(4)
    }
    alone = await _scan(stub, tree, rules=_rules(_EVAL))
    assert [finding.rule for finding in alone.findings] == ["no-eval"]
    assert alone.summary.scanned_file_count == 0


async def test_rules_that_end_the_process_are_cut_off_from_the_others(
    start_semgrep: Start, push_tree: Any, slow_pattern: str, slow_code: str
) -> None:
    """Too many slow rules for the time of a file cost themselves alone."""
    stub = await start_semgrep(semgrep_rule_seconds=0.5, semgrep_batch_seconds=1)
    tree = await push_tree({"a.py": f"eval(1)\n{slow_code}"})
    slow = [_rule(f"slow{number}", slow_pattern) for number in range(12)]
    response = await _scan(stub, tree, rules=_rules(*slow, _EVAL))
    assert [finding.rule for finding in response.findings] == ["no-eval"]
    assert {rule for _, rule in _reasons(response.summary)} == {rule["id"] for rule in slow}


async def test_a_file_that_fails_with_some_rules_is_open_to_others(
    start_semgrep: Start, push_tree: Any
) -> None:
    """It is named once for all rules that ran, is not tried again, and keeps nobody else out."""
    stub = await start_semgrep(semgrep_memory_bytes=2**28)
    tree = await push_tree({"a.py": "x = [\n" + "[1, 2, 3, 4],\n" * 65_000 + "]\neval(x)\n"})
    failing = _rules(_EVAL, _rule("list", "eval([...])"))
    response = await _scan(stub, tree, rules=failing)
    ((path, rule),) = _reasons(response.summary)
    assert (path, rule) == ("a.py", "")
    again = await _scan(stub, tree, rules=failing)
    assert again.summary.scanned_file_count == 0
    assert again.summary.problems == response.summary.problems
    # The engine need not parse a file for a rule whose words are not in it.
    other = await _scan(stub, tree, rules=_rules(_rule("other", "open($X)")))
    assert not other.summary.problems
    assert other.summary.scanned_file_count == 1
    both = await _scan(stub, tree, rules=_rules(_EVAL, _rule("another", "exec($X)")))
    assert list(_reasons(both.summary)) == [("a.py", "no-eval")]
