"""The semgrep service as its callers meet it: real servers, real engine, a real workspace."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from toolmesh.semgrep.v1 import finding_pb2, semgrep_service_pb2_grpc
from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh_serving.answer_budget import gateway_json
from toolmesh_serving.tokens import count_tokens

TokenOf = Callable[..., Awaitable[str]]
Scan = Callable[..., Awaitable[pb.ScanResponse]]

_EVAL = """
rules:
  - id: no-eval
    languages: [python]
    severity: ERROR
    message: no eval of $X
    pattern: eval($X)
    fix: literal_eval($X)
    metadata: {cwe: "CWE-95", owasp: ["A03"], references: [https://example.org]}
  - id: no-print
    languages: [python]
    severity: INFO
    message: no print
    pattern: print(...)
"""
_SHARED = """
common: &common
  languages: &languages [python]
  severity: INFO
  message: m
rules:
  - <<: *common
    id: no-eval
    pattern: eval($X)
  - id: no-exec
    languages: *languages
    pattern: exec($X)
    severity: ERROR
    message: m
"""
_SHOP = {
    "shop/a.py": "x = 1\neval(x)\neval(x)\nprint(x)\n",
    "shop/b.py": "eval('1')  # nosemgrep\nprint(2)  # nosemgrep: no-eval\n",
    "web/c.js": "eval(y)\n",
    "README.md": "eval(x)\n",
}


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def _places(response: pb.ScanResponse) -> list[tuple[str, str, int]]:
    return [(each.rule, each.path, each.range.start_line) for each in response.findings]


async def test_findings_say_what_where_and_how_bad(scan: Scan) -> None:
    """Findings come by severity, path and line, with all that a reader needs."""
    response = await scan(_SHOP, rules=_EVAL)
    assert _places(response) == [
        ("no-eval", "shop/a.py", 2),
        ("no-eval", "shop/a.py", 3),
        ("no-print", "shop/a.py", 4),
        ("no-print", "shop/b.py", 2),
    ]
    first = response.findings[0]
    assert first.severity == finding_pb2.SEVERITY_ERROR
    assert (first.message, first.lines, first.fix) == ("no eval of x", "eval(x)", "literal_eval(x)")
    assert (first.range.start_column, first.range.end_column) == (1, 8)
    assert (list(first.cwe), list(first.owasp)) == (["CWE-95"], ["A03"])
    assert len({finding.fingerprint for finding in response.findings}) == 4
    summary = response.summary
    assert (summary.suppressed_count, summary.file_count, summary.rule_count) == (1, 2, 2)
    assert not response.truncated


async def test_a_second_scan_reads_only_what_changed(scan: Scan, push_tree: Any) -> None:
    """Files and rules that were met before cost the engine nothing."""
    workspace = (await push_tree(_SHOP)).id
    first = await scan(workspace=workspace, rules=_EVAL)
    again = await scan(workspace=workspace, rules=_EVAL)
    assert (first.summary.scanned_file_count, again.summary.scanned_file_count) == (2, 0)
    assert first.findings == again.findings
    changed = await scan({**_SHOP, "shop/b.py": "eval(2)\n"}, workspace=workspace, rules=_EVAL)
    assert changed.summary.scanned_file_count == 1
    assert ("no-eval", "shop/b.py", 1) in _places(changed)
    half = _EVAL[: _EVAL.index("  - id: no-print")]
    fewer = await scan(workspace=workspace, rules=half)
    assert fewer.summary.scanned_file_count == 0
    assert {finding.rule for finding in fewer.findings} == {"no-eval"}


async def test_fingerprints_stay_when_lines_move(scan: Scan, push_tree: Any) -> None:
    """Moved and indented lines keep their fingerprints; another of the same gets its own."""
    workspace = (await push_tree({"a.py": "eval(x)\n"})).id
    before = await scan(workspace=workspace, rules=_EVAL)
    moved = "import os\n\nif os:\n    eval(x)\n    eval(x)\n"
    after = await scan({"a.py": moved}, workspace=workspace, rules=_EVAL)
    assert after.findings[0].fingerprint == before.findings[0].fingerprint
    assert after.findings[1].fingerprint != before.findings[0].fingerprint


async def test_a_baseline_leaves_only_what_is_new(scan: Scan, push_tree: Any) -> None:
    """What an older snapshot had, also under another name of the file, is left out."""
    old = await push_tree({"a.py": "eval(x)\n", "b.py": "eval(y)\n"})
    new = {"a.py": "\neval(x)\neval(z)\n", "moved.py": "eval(y)\n"}
    response = await scan(new, workspace=old.id, rules=_EVAL, baseline_snapshot=old.snapshot)
    assert _places(response) == [("no-eval", "a.py", 3)]
    assert response.summary.baseline_count == 2


async def test_what_failed_in_the_baseline_is_not_called_new(scan: Scan, push_tree: Any) -> None:
    """Findings of rules that failed there say so, on the file or on one that is gone since."""
    large = "eval(x)\n" + "x = 1\n" * 200_000
    old = await push_tree({"a.py": large, "b.py": "eval(y)\n", "c.py": "eval(z)\n"})
    new = {
        "a.py": "eval(x)\n",
        "b.py": "eval(y)\neval(1)\n",
        "c.py": "eval(z)\n",
        "d.py": "eval(2)",
    }
    fields: dict[str, Any] = {"rules": _EVAL, "baseline_snapshot": old.snapshot}
    for _ in range(2):
        response = await scan(new, workspace=old.id, **fields)
        unknown = {each.path: each.baseline_unknown for each in response.findings}
        assert unknown == {"a.py": True, "b.py": False, "d.py": False}
        summary = response.summary
        assert (summary.baseline_count, summary.baseline_unknown_count) == (2, 1)
        problems = [(each.path, each.rule, each.in_baseline) for each in summary.problems]
        assert problems == [("a.py", "", True)]
    del new["a.py"]
    response = await scan(new, workspace=old.id, **fields)
    unknown = {each.path: each.baseline_unknown for each in response.findings}
    assert unknown == {"b.py": False, "d.py": True}


async def test_a_pattern_finds_code_by_its_structure(scan: Scan) -> None:
    """A pattern needs no rule around it, and reads its language alone."""
    response = await scan(_SHOP, pattern="eval($X)", language="js")
    assert _places(response) == [("pattern", "web/c.js", 1)]


async def test_rules_may_share_parts(scan: Scan) -> None:
    """Anchors, aliases and merged mappings, which the engine does not know, are written out."""
    response = await scan({"a.py": "eval(x)\nexec(y)\n"}, rules=_SHARED)
    assert _places(response) == [("no-exec", "a.py", 2), ("no-eval", "a.py", 1)]


async def test_selection_and_severities(scan: Scan, push_tree: Any) -> None:
    """Globs choose files, severities findings, and the workspace's own ignore file counts."""
    workspace = (await push_tree({**_SHOP, ".semgrepignore": "b.py\n"})).id
    everything = await scan(workspace=workspace, rules=_EVAL)
    assert {finding.path for finding in everything.findings} == {"shop/a.py"}
    excluded = await scan(workspace=workspace, rules=_EVAL, exclude=["shop/"])
    assert not excluded.findings
    included = await scan(workspace=workspace, rules=_EVAL, include=["*.js"])
    assert included.summary.file_count == 0
    worst = await scan(workspace=workspace, rules=_EVAL, severities=[finding_pb2.SEVERITY_ERROR])
    assert {finding.rule for finding in worst.findings} == {"no-eval"}


async def test_pages_hold_every_finding_once(scan: Scan, push_tree: Any) -> None:
    """Pages keep to their tokens, go on where the last ended, and stay with their snapshot."""
    files = {f"{number}.py": "eval(x)\n" * 5 for number in range(8)}
    workspace = (await push_tree(files)).id
    pages = [await scan(workspace=workspace, rules=_EVAL, max_tokens=900)]
    await push_tree({"other.py": "eval(x)\n"}, workspace=workspace)
    while pages[-1].next_page_token:
        token = pages[-1].next_page_token
        pages.append(await scan(workspace=workspace, rules=_EVAL, max_tokens=900, page_token=token))
    places = [place for page in pages for place in _places(page)]
    assert len(pages) > 2
    assert len(places) == len(set(places)) == 40
    for page in pages:
        assert page.token_count == count_tokens(gateway_json(page)) <= 900
        assert page.truncated == bool(page.next_page_token)


async def test_a_patch_mends_what_was_found(scan: Scan) -> None:
    """The patch is a unified diff of all fixes in the answer."""
    response = await scan({"a.py": "eval(x)\ny = eval(z)"}, rules=_EVAL, with_patch=True)
    assert response.patch == (
        "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-eval(x)\n-y = eval(z)\n"
        "\\ No newline at end of file\n+literal_eval(x)\n+y = literal_eval(z)\n"
        "\\ No newline at end of file\n"
    )


async def test_sarif_names_rules_and_places(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub, push_tree: Any
) -> None:
    """The document has the frame of SARIF 2.1.0, and every finding."""
    workspace = (await push_tree(_SHOP)).id
    request = pb.ExportSarifRequest(scan=pb.ScanRequest(workspace=workspace, rules=_EVAL))
    document = json.loads((await semgrep.ExportSarif(request)).sarif)
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["no-eval", "no-print"]
    assert len(run["results"]) == 4
    assert run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"][0][
        "insertedContent"
    ] == {"text": "literal_eval(x)"}


async def test_watching_streams_progress_findings_and_the_summary(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub, push_tree: Any
) -> None:
    """Progress only grows, and ends with all files; the summary comes last."""
    workspace = (await push_tree(_SHOP)).id
    request = pb.WatchScanRequest(scan=pb.ScanRequest(workspace=workspace, rules=_EVAL))
    steps = [step async for step in semgrep.WatchScan(request)]
    done = [step.progress.done_count for step in steps if step.HasField("progress")]
    assert done == sorted(done)
    assert done[-1] == 2
    assert sum(step.HasField("finding") for step in steps) == 4
    assert steps[-1].summary.finding_count == 4


async def test_a_file_that_cannot_be_read_is_named(scan: Scan) -> None:
    """Broken, too large and hostile files cost themselves alone."""
    files: dict[str, str | bytes] = {
        "good.py": "eval(x)\n",
        "broken.py": "def f(:\n  x = = eval(2)\n",
        "large.py": "x = 1\n" * 200_000,
        "binary.py": bytes(range(256)) * 10,
        "deep.py": "x = " + "(" * 20_000 + "eval(x)" + ")" * 20_000 + "\n",
    }
    response = await scan(files, rules=_EVAL)
    assert ("no-eval", "good.py", 1) in _places(response)
    named = {problem.path: problem.reason for problem in response.summary.problems}
    assert named["large.py"] == "too large"
    assert "broken.py" in named


_BAD_REQUESTS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"rules": "rules: ["}, "RULE_INVALID", "rules", "not YAML"),
    ({"rules": "hello"}, "RULE_INVALID", "rules", "`rules:`"),
    ({"rules": _EVAL.replace("eval($X)", "eval((")}, "RULE_INVALID", "rules", "line 7"),
    ({"rules": _EVAL.replace("[python]", "[klingon]")}, "RULE_INVALID", "rules", "klingon"),
    ({"rules": _EVAL.replace("ERROR", "LOUD")}, "RULE_INVALID", "rules", "severity"),
    ({"rules": _EVAL.replace("no-print", "no-eval")}, "RULE_INVALID", "rules", "second rule"),
    ({"rules": "a: &a [x]\nrules: &b [*b]\n"}, "RULE_INVALID", "rules", "alias"),
    ({"rules": _SHARED.replace("exec($X)", "exec((")}, "RULE_INVALID", "rules", "line 12"),
    ({"rules": f"message: a\nmessage: b\n{_EVAL}"}, "RULE_INVALID", "rules", "line 2"),
    ({"pattern": "eval(("}, "SCAN_INVALID", "language", "language"),
    ({"pattern": "eval((", "language": "python"}, "RULE_INVALID", "pattern", "parsed"),
    ({"pattern": "x", "language": "klingon"}, "LANGUAGE_UNKNOWN", "language", "klingon"),
    ({"pattern": "x", "language": "pyhton"}, "LANGUAGE_UNKNOWN", "language", "did you mean python"),
    ({"packs": ["pyton"]}, "PACK_UNKNOWN", "packs[0]", "did you mean python?"),
    ({"language": "python"}, "SCAN_INVALID", "language", "missing"),
    ({"packs": ["python", "nope"]}, "PACK_UNKNOWN", "packs[1]", "nope"),
    ({"rules": _EVAL, "include": [""]}, "SCAN_INVALID", "include[0]", "glob"),
    ({"rules": _EVAL, "exclude": ["ok", "!x"]}, "SCAN_INVALID", "exclude[1]", "glob"),
    ({"rules": _EVAL, "include": ["a", "[z-a].py"]}, "SCAN_INVALID", "include[1]", "[z-a].py"),
    ({"rules": _EVAL, "exclude": ["# no glob"]}, "SCAN_INVALID", "exclude[0]", "glob"),
    ({"rules": _EVAL, "severities": [1, 7]}, "SCAN_INVALID", "severities[1]", "WARNING"),
    ({"rules": "x" * 1_000_001}, "FIELD_INVALID", "rules", "1000000"),
    ({"rules": _EVAL, "snapshot": "newest"}, "FIELD_INVALID", "snapshot", "[0-9a-f]{64}"),
    ({"rules": _EVAL, "max_tokens": 1}, "SCAN_INVALID", "max_tokens", "at least"),
    ({"rules": _EVAL, "page_token": "x"}, "PAGE_TOKEN_INVALID", "page_token", "next_page_token"),
]


@pytest.mark.parametrize(("fields", "reason", "field", "said"), _BAD_REQUESTS)
async def test_bad_requests_name_the_field(
    fields: dict[str, Any],
    reason: str,
    field: str,
    said: str,
    scan: Scan,
    push_tree: Any,
    failure_of: Callable[..., Awaitable[Any]],
) -> None:
    """Each bad request is INVALID_ARGUMENT, with the field and what is wrong with it."""
    workspace = (await push_tree({"a.py": "eval(x)\n"})).id
    failure = await failure_of(scan(workspace=workspace, **fields))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert said in failure.fields[field]


async def test_a_page_token_belongs_to_its_scan(
    scan: Scan, push_tree: Any, failure_of: Callable[..., Awaitable[Any]]
) -> None:
    """The token of one scan does not go on with another."""
    workspace = (await push_tree({"a.py": "eval(x)\n" * 50})).id
    page = await scan(workspace=workspace, rules=_EVAL, max_tokens=800)
    assert page.next_page_token
    failure = await failure_of(
        scan(workspace=workspace, pattern="f()", language="py", page_token=page.next_page_token)
    )
    assert failure.reason == "PAGE_TOKEN_INVALID"


async def test_strangers_learn_nothing(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub,
    push_tree: Any,
    token_of: TokenOf,
    failure_of: Callable[..., Awaitable[Any]],
) -> None:
    """Another's workspace is NOT_FOUND, also when its results are kept."""
    workspace = (await push_tree(_SHOP)).id
    request = pb.ScanRequest(workspace=workspace, rules=_EVAL)
    await semgrep.Scan(request)
    stranger = _bearer(await token_of("developer", subject="eve"))
    watched = semgrep.WatchScan(pb.WatchScanRequest(scan=request), metadata=stranger)
    for call in (
        semgrep.Scan(request, metadata=stranger),
        semgrep.ExportSarif(pb.ExportSarifRequest(scan=request), metadata=stranger),
        anext(aiter(watched)),
    ):
        failure = await failure_of(call)
        assert failure.code == grpc.StatusCode.NOT_FOUND


async def test_rules_can_be_checked_before_they_are_used(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub,
) -> None:
    """Good rules are named; of bad ones the line is told."""
    good = await semgrep.ValidateRule(pb.ValidateRuleRequest(rules=_EVAL))
    assert good.valid
    assert list(good.rule_ids) == ["no-eval", "no-print"]
    bad = await semgrep.ValidateRule(
        pb.ValidateRuleRequest(rules=_EVAL.replace("eval($X)\n", "eval((\n"))
    )
    assert not bad.valid
    assert list(bad.rule_ids) == ["no-print"]
    (problem,) = bad.problems
    assert (problem.rule, problem.line) == ("no-eval", 7)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("pattern: eval($X)", "patern: eval($X)", (7, 5), "did you mean 'pattern'? Expected one"),
        ("pattern: eval($X)", "options: {}", (3, 5), "Expected one of"),
        ("pattern: eval($X)", "mode: taint", (3, 5), "Missing required field pattern-s"),
        ("[python]", "[pyhton]", (3, 5), "no language 'pyhton'; did you mean python"),
    ],
)
async def test_what_is_wrong_with_a_whole_rule_has_a_place(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub,
    old: str,
    new: str,
    place: tuple[int, int],
    said: str,
) -> None:
    """A mistyped key is told with its line; what is missing with that of the rule."""
    rules = _EVAL.replace(old, new, 1)
    (problem,) = (await semgrep.ValidateRule(pb.ValidateRuleRequest(rules=rules))).problems
    assert said in problem.message
    assert (problem.line, problem.column) == place


async def test_rules_and_languages_are_listed_in_pages(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub,
) -> None:
    """Every rule of the packs comes once, and aliases find languages."""
    request = pb.ListRulesRequest(page_size=1)
    first = await semgrep.ListRules(request)
    assert len(first.rules) == 1
    everything = await semgrep.ListRules(pb.ListRulesRequest(page_size=1000))
    assert not everything.next_page_token
    python = await semgrep.ListRules(pb.ListRulesRequest(language="py", page_size=1000))
    assert 0 < len(python.rules) <= len(everything.rules)
    languages = (await semgrep.ListLanguages(pb.ListLanguagesRequest())).languages
    assert {"python", "go", "java", "typescript", "regex"} <= {each.name for each in languages}


async def test_lists_of_what_is_not_there_are_refused(
    semgrep: semgrep_service_pb2_grpc.SemgrepServiceStub, failure_of: Callable[..., Awaitable[Any]]
) -> None:
    """An unknown pack or language is named; a token of one list does not go on with another."""
    failure = await failure_of(semgrep.ListRules(pb.ListRulesRequest(pack="cobol")))
    assert failure.reason == "PACK_UNKNOWN"
    assert "python" in failure.fields["pack"]
    failure = await failure_of(semgrep.ListRules(pb.ListRulesRequest(language="klingon")))
    assert (failure.reason, list(failure.fields)) == ("LANGUAGE_UNKNOWN", ["language"])
    page = await semgrep.ListRules(pb.ListRulesRequest(pack="go", page_size=1))
    request = pb.ListRulesRequest(pack="java", page_token=page.next_page_token)
    failure = await failure_of(semgrep.ListRules(request))
    assert failure.reason == "PAGE_TOKEN_INVALID"
