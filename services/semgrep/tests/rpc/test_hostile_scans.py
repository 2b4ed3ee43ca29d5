"""What files, rules and callers may do to a scan, and what stays whole."""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc
from toolmesh.workspace.v1 import workspace_service_pb2
from toolmesh_client.channels import open_channel, service_address
from toolmesh_serving.answer_budget import gateway_json
from toolmesh_serving.tokens import count_tokens

Stub = semgrep_service_pb2_grpc.SemgrepServiceStub
Start = Callable[..., Awaitable[Stub]]
FailureOf = Callable[..., Awaitable[Any]]


def _rule(name: str, pattern: str, **more: Any) -> dict[str, Any]:
    rule = {"id": name, "languages": ["python"], "severity": "INFO", "message": "m"}
    return rule | {"pattern": pattern} | more


def _regex(name: str, regex: str) -> dict[str, Any]:
    rule = _rule(name, "")
    del rule["pattern"]
    return rule | {"languages": ["regex"], "pattern-regex": regex}


def _rules(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": rules}, ensure_ascii=False)


_EVAL = _rule("no-eval", "eval($X)")
_LARGE_TREE = "x = [\n" + "[1, 2, 3, 4],\n" * 65_000 + "]\neval(x)\n"


def _reasons(summary: pb.ScanSummary) -> dict[tuple[str, str], str]:
    return {(each.path, each.rule): each.reason for each in summary.problems}


async def _scan(stub: Stub, workspace: Any, **fields: Any) -> pb.ScanResponse:
    return await stub.Scan(pb.ScanRequest(workspace=workspace.id, **fields))


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - other processes and folders tell nobody
            await asyncio.sleep(0.01)


async def _ended(call: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await call.code()


def _engine_pids() -> list[int]:
    found: list[int] = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if child.name() == "semgrep-core":
                found.append(child.pid)
    return found


async def test_a_file_that_takes_too_much_memory_is_named(
    start_semgrep: Start, push_tree: Any
) -> None:
    """It ends its own process; the files of its batch are scanned all the same."""
    stub = await start_semgrep(semgrep_memory_bytes=2**28)
    files = {f"{number}.py": f"eval({number})\n" for number in range(12)}
    tree = await push_tree({**files, "5b.py": _LARGE_TREE})
    response = await _scan(stub, tree, rules=_rules(_EVAL))
    assert response.summary.finding_count == 12
    ((path, reason),) = [(each.path, each.reason) for each in response.summary.problems]
    assert path == "5b.py"
    assert "memory" in reason


async def test_a_slow_rule_is_given_up_and_the_others_run(
    start_semgrep: Start, push_tree: Any, slow_pattern: str, slow_code: str
) -> None:
    """A rule that explodes costs its seconds on a few files, is named, and not waited for again."""
    stub = await start_semgrep(semgrep_rule_seconds=1, semgrep_batch_seconds=4)
    tree = await push_tree({f"{n}.py": f"eval({n})\n{slow_code}" for n in range(16)})
    rules = _rules(_EVAL, _rule("slow", slow_pattern))
    response = await _scan(stub, tree, rules=rules, max_tokens=50_000)
    assert response.summary.finding_count == 16
    reasons = _reasons(response.summary)
    assert {path for path, _ in reasons} == {f"{n}.py" for n in range(16)}
    assert {rule for _, rule in reasons} == {"slow"}
    # Files that were under way together all get their chance.
    assert "timed out" in reasons.values()
    assert set(reasons.values()) <= {"timed out", "given up, for it timed out on other files"}
    begun = time.monotonic()
    again = await _scan(stub, tree, rules=rules, max_tokens=50_000)
    assert again.summary.scanned_file_count == 0
    assert _reasons(again.summary) == reasons
    assert time.monotonic() - begun < 10


async def test_a_scan_ends_in_time_and_the_next_goes_on(
    start_semgrep: Start, push_tree: Any, slow_pattern: str, slow_code: str
) -> None:
    """Files that were not reached are named; what was found is kept, so each call gets further."""
    stub = await start_semgrep(
        semgrep_scan_seconds=3, semgrep_rule_seconds=1, semgrep_batch_seconds=1
    )
    tree = await push_tree({f"{n}.py": f"eval({n})\n{slow_code}" for n in range(6)})
    fields = {"rules": _rules(*(_rule(f"slow{n}", slow_pattern) for n in range(9)), _EVAL)}
    begun = time.monotonic()
    response = await _scan(stub, tree, **fields, max_tokens=50_000)
    assert time.monotonic() - begun < 10
    reasons = set(_reasons(response.summary).values())
    assert "not scanned, for the time of a scan was up; scan again to go on" in reasons


async def test_what_a_rule_finds_does_not_depend_on_the_others(
    start_semgrep: Start, push_tree: Any
) -> None:
    """One that matches without end in a file is named there; the rest find what they find alone."""
    stub = await start_semgrep()
    tree = await push_tree({"a.py": "print(1)\n" * 2_100 + "eval(1)\n"})
    crowd = _regex("crowd", "print")
    both = await _scan(stub, tree, rules=_rules(_EVAL, crowd))
    assert [finding.rule for finding in both.findings] == ["no-eval"]
    assert _reasons(both.summary) == {("a.py", "crowd"): "too many matches"}
    alone = await _scan(stub, tree, rules=_rules(_EVAL))
    assert alone.findings == both.findings
    assert alone.summary.scanned_file_count == 0


async def test_more_matches_than_a_report_can_hold_are_refused(
    start_semgrep: Start, push_tree: Any, failure_of: FailureOf
) -> None:
    """The memory of the service is not the rule's; also when all of them are kept already."""
    stub = await start_semgrep(semgrep_max_matches=1_000)
    tree = await push_tree({f"{n}.py": f"# {n}\n" + "print(1)\n" * 300 for n in range(4)})
    rules = _rules(_regex("crowd", "print"))
    for _ in range(2):
        failure = await failure_of(_scan(stub, tree, rules=rules))
        assert failure.reason == "SCAN_INVALID"
        assert "1,000" in failure.fields["rules"]
    response = await _scan(stub, tree, rules=rules, include=["[012].py"])
    assert response.summary.finding_count == 900
    # What is known already counts once, also of files that have to be read for another rule.
    rules = _rules(_regex("crowd", "print"), _EVAL)
    response = await _scan(stub, tree, rules=rules, include=["[012].py"])
    assert response.summary.finding_count == 900


async def test_messages_that_swell_end_where_they_do_harm(
    start_semgrep: Start, push_tree: Any
) -> None:
    """A rule that quotes a large match in every message is named, the rest is found."""
    stub = await start_semgrep()
    tree = await push_tree({"a.py": f"f('{'x' * 100_000}')\n" * 8 + "eval(1)\n"})
    loud = _rule("loud", "f($X)", message="$X " * 3000)
    response = await _scan(stub, tree, rules=_rules(loud, _EVAL))
    assert [finding.rule for finding in response.findings] == ["no-eval"]
    assert _reasons(response.summary) == {("a.py", "loud"): "what the rules find in it is too long"}


async def test_regular_expressions_cannot_run_away(start_semgrep: Start, push_tree: Any) -> None:
    """Backtracking has its bounds, in rules and in globs."""
    stub = await start_semgrep(semgrep_rule_seconds=1)
    name = "a" * 200
    tree = await push_tree({f"{name}.py": "# " + "a" * 5_000 + "!\neval(1)\n"})
    rules = _rules(_EVAL, _regex("x", "(a+)+$|(a|aa)+b"))
    begun = time.monotonic()
    response = await _scan(
        stub, tree, rules=rules, exclude=["*a" * 20 + "b"], include=["*a" * 20 + "*"]
    )
    assert time.monotonic() - begun < 10
    assert "no-eval" in {finding.rule for finding in response.findings}


async def test_texts_of_all_kinds_are_scanned(start_semgrep: Start, push_tree: Any) -> None:
    """Other encodings, line ends, emoji in rules and code, and equal contents by other names."""
    stub = await start_semgrep()
    tree = await push_tree(
        {
            "latin.py": b"# \xe9\nx = '\xe9'; eval(1)\n",
            "crlf.py": b"\xef\xbb\xbfx = 1\r\neval(\r\n  2)\r\n",
            "wide.py": "x = '😀'; eval('😀')\n",
            "copy/wide.py": "x = '😀'; eval('😀')\n",
        }
    )
    response = await _scan(stub, tree, rules=_rules(_EVAL | {"message": "😀"}))
    places = {
        each.path: (each.range.start_line, each.range.start_column, each.lines)
        for each in response.findings
    }
    assert places == {
        "latin.py": (2, 10, "x = '\N{REPLACEMENT CHARACTER}'; eval(1)"),
        "crlf.py": (2, 1, "eval(\n  2)"),
        "wide.py": (1, 10, "x = '😀'; eval('😀')"),
        "copy/wide.py": (1, 10, "x = '😀'; eval('😀')"),
    }
    assert {each.message for each in response.findings} == {"😀"}
    assert not response.summary.problems
    assert len({each.fingerprint for each in response.findings}) == 4


async def test_suppressions_count_as_the_engine_counts_them(
    start_semgrep: Start, push_tree: Any
) -> None:
    """On the line or the line before, any case, by id or for all; a comment for others is none."""
    stub = await start_semgrep()
    code = (
        "eval(1)  # nosem\neval(2)  # NOSEMGREP: no-eval\n# nosemgrep: x, no-eval\neval(3)\n"
        "eval(4)  # nosemgrep: other\neval(\n5)  # nosemgrep\n"
    )
    tree = await push_tree({"a.py": code})
    response = await _scan(stub, tree, rules=_rules(_EVAL))
    assert [each.range.start_line for each in response.findings] == [5, 6]
    assert response.summary.suppressed_count == 3


@pytest.mark.parametrize("suffix", ["x" * 253, "x" + "語" * 84])
async def test_names_may_be_as_long_as_names_can_be(
    suffix: str, start_semgrep: Start, push_tree: Any
) -> None:
    """Also where all but a letter of one is its ending, which the engine gets to see."""
    stub = await start_semgrep()
    tree = await push_tree(
        {**{f"{n}.py": f"x = {n}\n" for n in range(12)}, f"a.{suffix}": "y = 1\n"}
    )
    response = await _scan(stub, tree, rules=_rules(_regex("any", "[xy] =")))
    assert response.summary.finding_count == 13
    assert not response.summary.problems


async def test_rules_with_paths_see_each_file_by_itself(
    start_semgrep: Start, push_tree: Any
) -> None:
    """Equal contents share no result where the path decides; links and their targets neither."""
    stub = await start_semgrep()
    tree = await push_tree({"a/x.py": "eval(1)\n", "b/x.py": "eval(1)\n"})
    rules = _rules(_EVAL | {"paths": {"include": ["/b/"]}})
    for _ in range(2):
        response = await _scan(stub, tree, rules=rules)
        assert [each.path for each in response.findings] == ["b/x.py"]
    plain = await _scan(stub, tree, rules=_rules(_EVAL))
    assert [each.path for each in plain.findings] == ["a/x.py", "b/x.py"]


async def test_a_cancelled_scan_leaves_nothing_behind(
    start_semgrep: Start, push_tree: Any, tmp_path: Path, slow_pattern: str, slow_code: str
) -> None:
    """Its processes and folders go, and its place is free for the next."""
    stub = await start_semgrep(semgrep_scans=1, semgrep_rule_seconds=60)
    tree = await push_tree({f"{n}.py": f"x = {n}\n{slow_code}" for n in range(4)})
    request = pb.ScanRequest(workspace=tree.id, rules=_rules(_rule("slow", slow_pattern)))
    watched = pb.WatchScanRequest(scan=request)
    for begin in (lambda: stub.Scan(request), lambda: stub.WatchScan(watched)):
        call = begin()
        started = asyncio.ensure_future(_ended(call))
        await _until(lambda: bool(_engine_pids()))
        call.cancel()
        await _until(lambda: not _engine_pids())
        await _until(lambda: not os.listdir(tmp_path / "semgrep" / "engine"))
        await started
    response = await _scan(stub, tree, rules=_rules(_EVAL))
    assert response.summary.file_count == 4


async def test_more_scans_than_places_are_told_to_come_back(
    start_semgrep: Start, push_tree: Any, failure_of: FailureOf, slow_pattern: str, slow_code: str
) -> None:
    """At once, and with the time; the scan that runs goes on."""
    stub = await start_semgrep(semgrep_scans=1, semgrep_rule_seconds=2)
    tree = await push_tree({"a.py": f"eval(1)\n{slow_code}"})
    running = asyncio.ensure_future(
        _scan(stub, tree, rules=_rules(_EVAL, _rule("slow", slow_pattern)))
    )
    await _until(lambda: len(_engine_pids()) > 0 and not running.done())
    failure = await failure_of(_scan(stub, tree, rules=_rules(_EVAL)))
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SCANS_BUSY")
    assert (await running).summary.finding_count == 1
    assert (await _scan(stub, tree, rules=_rules(_EVAL))).summary.finding_count == 1


async def test_what_a_service_that_was_killed_left_is_removed(
    start_semgrep: Start, tmp_path: Path
) -> None:
    """Folders of processes that nobody waits for any more do not pile up."""
    left = tmp_path / "semgrep" / "engine" / "left"
    left.mkdir(parents=True)
    left.joinpath("0.py").write_text("x")
    await start_semgrep()
    assert not left.exists()


async def test_a_disk_without_room_is_said_and_passes(
    start_semgrep: Start, push_tree: Any, failure_of: FailureOf, tmp_path: Path
) -> None:
    """No room for the engine's files is UNAVAILABLE, and over when there is room again."""
    stub = await start_semgrep()
    tree = await push_tree({"a.py": "eval(1)\n"})
    folder = tmp_path / "semgrep" / "engine"
    shutil.rmtree(folder)
    folder.write_text("as good as a full disk: nothing can be made in it")
    failure = await failure_of(_scan(stub, tree, rules=_rules(_EVAL)))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "ENGINE_FAILED")
    folder.unlink()
    folder.mkdir()
    assert (await _scan(stub, tree, rules=_rules(_EVAL))).summary.finding_count == 1


async def test_a_workspace_may_go_in_the_middle(
    start_semgrep: Start, push_tree: Any, workspaces: Any, failure_of: FailureOf
) -> None:
    """The scan ends with NOT_FOUND or with what it had read, and the service goes on."""
    stub = await start_semgrep()
    tree = await push_tree({f"{n}.py": f"eval({n})\n" * 200 for n in range(200)})
    other = await push_tree({"a.py": "eval(1)\n"})
    call = asyncio.ensure_future(_scan(stub, tree, rules=_rules(_EVAL)))
    await _until(lambda: bool(_engine_pids()))
    await workspaces.DeleteWorkspace(
        workspace_service_pb2.DeleteWorkspaceRequest(workspace=tree.id)
    )
    try:
        assert (await call).summary.finding_count > 0
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND  # noqa: PT017 - both ends are good
    failure = await failure_of(_scan(stub, tree, rules=_rules(_EVAL)))
    assert failure.code == grpc.StatusCode.NOT_FOUND
    assert (await _scan(stub, other, rules=_rules(_EVAL))).summary.finding_count == 1


async def test_the_baseline_is_of_the_same_workspace(
    start_semgrep: Start, push_tree: Any, failure_of: FailureOf
) -> None:
    """A snapshot of another workspace is NOT_FOUND, even one's own."""
    stub = await start_semgrep()
    tree = await push_tree({"a.py": "eval(1)\n"})
    other = await push_tree({"b.py": "eval(2)\n"})
    failure = await failure_of(
        _scan(stub, tree, rules=_rules(_EVAL), baseline_snapshot=other.snapshot)
    )
    assert failure.code == grpc.StatusCode.NOT_FOUND


async def test_two_scans_of_one_snapshot_agree(start_semgrep: Start, push_tree: Any) -> None:
    """They may do the same work twice, and say the same."""
    stub = await start_semgrep()
    tree = await push_tree({f"{n}.py": f"eval({n})\n" for n in range(40)})
    first, second = await asyncio.gather(
        *(_scan(stub, tree, rules=_rules(_EVAL), max_tokens=50_000) for _ in range(2))
    )
    assert len(first.findings) == 40
    assert first.findings == second.findings


async def test_bad_rules_by_the_thousand_fit_into_an_answer(
    start_semgrep: Start, push_tree: Any, failure_of: FailureOf
) -> None:
    """Neither their number nor their length breaks the failure or the budget."""
    stub = await start_semgrep()
    tree = await push_tree({"a.py": "eval(1)\n"})
    for rules in (
        _rules(*(_rule(f"r{n}", "eval((") for n in range(1900))),
        _rules(_rule("r", "eval((" + "x" * 500_000)),
        _rules(_rule("r", "x", languages=["y" * 500_000])),
    ):
        failure = await failure_of(_scan(stub, tree, rules=rules))
        assert failure.reason == "RULE_INVALID"
        for most in (200, 4096):
            checked = await stub.ValidateRule(pb.ValidateRuleRequest(rules=rules, max_tokens=most))
            assert not checked.valid
            assert checked.token_count == count_tokens(gateway_json(checked)) <= most
    good = _rules(*(_rule(f"r{n}", f"f{n}($X)") for n in range(1900)))
    checked = await stub.ValidateRule(pb.ValidateRuleRequest(rules=good, max_tokens=1000))
    assert checked.valid
    assert checked.truncated
    assert len(checked.rule_ids) > 100
    assert checked.token_count == count_tokens(gateway_json(checked)) <= 1000
    failure = await failure_of(stub.ValidateRule(pb.ValidateRuleRequest(rules=good, max_tokens=1)))
    assert "max_tokens" in failure.fields


@pytest.mark.parametrize("text", ["- a\n" * 250_000, "[" * 999_999, "a: " + "x" * 900_000])
async def test_long_texts_do_not_keep_others_waiting(
    text: str, start_semgrep: Start, identity_pattern: str
) -> None:
    """While a megabyte is read, the health check answers."""
    stub = await start_semgrep()
    call = asyncio.ensure_future(stub.ValidateRule(pb.ValidateRuleRequest(rules=text)))
    slowest = 0.0
    async with open_channel(service_address(identity_pattern, "semgrep")) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while not call.done():
            begun = time.perf_counter()
            await health.Check(health_pb2.HealthCheckRequest())
            slowest = max(slowest, time.perf_counter() - begun)
    assert not (await call).valid
    assert slowest < 1
