"""What findings say and how large files are, and what one answer holds of that."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import grpc.aio
import pytest

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc

Stub = semgrep_service_pb2_grpc.SemgrepServiceStub
Scan = Callable[..., Awaitable[pb.ScanResponse]]

# JSON as the gateway writes it has 12 signs for it.
_WIDE = "\U000e0001"
_MENDED = {
    "id": "no-eval",
    "languages": ["python"],
    "severity": "INFO",
    "message": "m",
    "pattern": "eval(...)",
    "fix": "f()",
}


def _rules(**changed: Any) -> str:
    return json.dumps({"rules": [_MENDED | changed]})


async def _pages(scan: Scan, **fields: Any) -> AsyncGenerator[pb.ScanResponse]:
    page = await scan(**fields)
    yield page
    while page.next_page_token:
        page = await scan(**fields, page_token=page.next_page_token)
        yield page


async def test_a_fix_that_is_too_long_is_a_problem(scan: Scan) -> None:
    """The finding comes without it, and the summary says why."""
    files: dict[str, str | bytes] = {"a.py": f"eval('{'x' * 200_000}')\n"}
    rules = _rules(pattern="eval($X)", fix="$X" * 60)
    response = await scan(files, rules=rules, max_tokens=1_000_000, with_patch=True)
    assert [each.fixable for each in response.findings] == [False]
    ((path, rule, reason),) = [(p.path, p.rule, p.reason) for p in response.summary.problems]
    assert (path, rule) == ("a.py", "no-eval")
    assert "fix is left out" in reason
    assert response.patch == ""


async def test_every_finding_fits_into_the_largest_page(scan: Scan, push_tree: Any) -> None:
    """However much a rule and the code say, no finding stands in the way of the next."""
    lines = f"eval('{_WIDE * 4_000}')\n"
    tree = await push_tree({"a.py": lines + "#\n" * 4 + lines, "b.py": "eval(1)\n"})
    rules = _rules(
        message=_WIDE * 10_000, fix=_WIDE * 10_000, metadata={"references": [_WIDE * 9_980]}
    )
    pages = [
        page
        async for page in _pages(
            scan, workspace=tree.id, rules=rules, with_patch=True, max_tokens=1_000_000
        )
    ]
    found = [(each.path, each.range.start_line) for page in pages for each in page.findings]
    assert found == [("a.py", 1), ("a.py", 6), ("b.py", 1)]
    assert max(page.token_count for page in pages) > 100_000
    assert all(page.patch for page in pages)


@pytest.mark.parametrize("key", ["cwe", "owasp", "references"])
async def test_what_findings_repeat_of_a_rule_has_a_bound(
    key: str, scan: Scan, failure_of: Callable[..., Awaitable[Any]]
) -> None:
    """A rule that would say a book with every finding is refused, and told why."""
    for texts in (["x" * 10_001], [""] * 5_000):
        failure = await failure_of(scan({"a.py": "eval(1)\n"}, rules=_rules(metadata={key: texts})))
        assert failure.reason == "RULE_INVALID"
        assert f"`{key}`" in failure.fields["rules"]
        assert "10000" in failure.fields["rules"]


async def test_a_page_mends_so_many_bytes_of_files_and_no_more(
    start_semgrep: Callable[..., Awaitable[Stub]], push_tree: Any
) -> None:
    """The pages together have every fix; while one is made, no other call has the scan's place."""
    stub = await start_semgrep(semgrep_scans=1)
    comment = "#" * 99 + "\n"
    files = {f"{n:02}.py": f"eval({n})\n" + comment * 9_000 for n in range(30)}
    tree = await push_tree(files)
    fields = {"workspace": tree.id, "rules": _rules(), "with_patch": True, "max_tokens": 50_000}

    async def scan(**fields: Any) -> pb.ScanResponse:
        return await stub.Scan(pb.ScanRequest(**fields))

    pages = [page async for page in _pages(scan, **fields)]
    assert len(pages) == 2
    assert [each.path for page in pages for each in page.findings] == sorted(files)
    for page in pages:
        assert page.patch.count("+f()\n") == len(page.findings) <= 18
        assert page.truncated == bool(page.next_page_token)
    calls = await asyncio.gather(*(scan(**fields) for _ in range(8)), return_exceptions=True)
    failures = [each for each in calls if isinstance(each, grpc.aio.AioRpcError)]
    assert 0 < len(failures) < len(calls)
    assert {each.code() for each in failures} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
