"""What a SARIF document says of rules, of the baseline, and of what could not be scanned."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc

Run = Callable[..., Awaitable[dict[str, Any]]]

_RULE = {"id": "r", "languages": ["python"], "severity": "INFO", "message": "m"}
_RULES = json.dumps({"rules": [{**_RULE, "pattern": "eval(...)"}]})
_LARGE = "x = 1\n" * 200_000


@pytest.fixture
def run_of(semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub) -> Run:
    """Scans, and returns the one run of the document."""

    async def run_of(*, rules: str = _RULES, **fields: Any) -> dict[str, Any]:
        request = pb.ExportSarifRequest(scan=pb.ScanRequest(rules=rules, **fields))
        (run,) = json.loads((await semgrep.ExportSarif(request)).sarif)["runs"]
        return run

    return run_of


async def test_results_say_what_they_are_to_the_baseline(run_of: Run, push_tree: Any) -> None:
    """All are new to it, and those that may be old are marked; without one, none says anything."""
    old = await push_tree({"a.py": _LARGE, "b.py": "x = 1\n"})
    files = {"a.py": "eval(x)\n", "b.py": "eval(y)\n"}
    workspace = (await push_tree(files, workspace=old.id)).id
    run = await run_of(workspace=workspace, baseline_snapshot=old.snapshot)
    said = [(each["baselineState"], each.get("properties")) for each in run["results"]]
    assert said == [("new", {"baselineUnknown": True}), ("new", None)]
    run = await run_of(workspace=workspace)
    assert len(run["results"]) == 2
    assert not any("baselineState" in each for each in run["results"])


async def test_notifications_say_in_which_snapshot(run_of: Run, push_tree: Any) -> None:
    """What went wrong in the baseline is not told as if it went wrong in what was scanned."""
    old = await push_tree({"old.py": _LARGE})
    workspace = (await push_tree({"new.py": _LARGE}, workspace=old.id)).id
    run = await run_of(workspace=workspace, baseline_snapshot=old.snapshot)
    (invocation,) = run["invocations"]
    said = [
        (
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            each["message"]["text"],
            each["properties"],
        )
        for each in invocation["toolExecutionNotifications"]
    ]
    assert said == [
        ("new.py", "the file: too large", {"inBaseline": False}),
        ("old.py", "in the baseline, the file: too large", {"inBaseline": True}),
    ]


async def test_sarif_keeps_to_its_schema_whatever_a_rule_says(run_of: Run, push_tree: Any) -> None:
    """No tag comes twice, and what is no absolute address is no `helpUri`."""
    workspace = (await push_tree({"a.py": "eval(x)\n"})).id
    for references, is_usable in (
        (["see the wiki", "https://a.org/a b", "https://a.org/%zz", "https://a.org/[x]"], False),
        (["the wiki", "https://example.org/é", "https://example.org/a?b=%20#c"], True),
    ):
        metadata = {"cwe": ["CWE-1", "CWE-1"], "owasp": ["A1", "CWE-1"], "references": references}
        rules = json.dumps({"rules": [{**_RULE, "pattern": "eval(...)", "metadata": metadata}]})
        run = await run_of(workspace=workspace, rules=rules)
        (described,) = run["tool"]["driver"]["rules"]
        assert described["properties"]["tags"] == ["CWE-1", "A1"]
        assert described.get("helpUri") == (references[-1] if is_usable else None)
