"""Semgrep's own command and this service on the same rules and files."""

import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evals.processes import BenchmarkError
from evals.semgrep.cli_peer import ENVIRONMENT, scan
from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb
from toolmesh.semgrep.v1 import semgrep_service_pb2_grpc

_RULES = Path(__file__).parents[2] / "rules"
# What tries each rule, and real packages, of which these have something to find.
_PACKAGES = ("flask", "werkzeug", "jwt", "yaml", "psutil")
_MORE = {
    "odd/latin.py": b"# \xe9\nx = '\xe9'; eval(y)\n",
    "odd/crlf.py": b"\xef\xbb\xbfx = 1\r\neval(\r\n  x)\r\n",
    "odd/wide.py": "x = '😀é'; eval(y)  # é\neval(x)  # nosemgrep\n".encode(),
    "odd/broken.py": b"eval(x)\ndef f(:\n  eval(y)\n\neval(z)\n",
    "odd/view.tsx": b"export const V = (p) => <div dangerouslySetInnerHTML={{__html: p.x}} />;\n",
    "odd/tool": b"#!/usr/bin/env python3\neval(x)\n",
}

Finding = tuple[str, str, tuple[int, int], tuple[int, int]]


def _files() -> dict[str, bytes]:
    files = {f"rules/{path.relative_to(_RULES)}": path for path in _RULES.rglob("*.*")}
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for root in map(Path, spec.submodule_search_locations or ()):
            files |= {f"{package}/{path.relative_to(root)}": path for path in root.rglob("*.py")}
    contents = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    return {name: text for name, text in contents.items() if not name.endswith(".yaml")} | _MORE


def _position(content: bytes, offset: int) -> tuple[int, int]:
    """Return the line and the column, in characters, of a place given in bytes."""
    before = content[:offset]
    line = before.rpartition(b"\n")[2].decode("utf-8", "replace")
    return before.count(b"\n") + 1, len(line) + 1


@pytest.mark.slow
async def test_findings_are_those_of_the_command(
    start_semgrep: Callable[..., Awaitable[semgrep_service_pb2_grpc.SemgrepServiceStub]],
    push_tree: Any,
    tmp_path: Path,
) -> None:
    """Set for set: the same rules at the same places of the same files."""
    try:
        await ENVIRONMENT.install()
    except BenchmarkError as error:
        pytest.skip(f"semgrep's own command cannot be installed: {error}")
    files = _files()
    tree = await push_tree(files)
    for path, content in files.items():
        file = tmp_path / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    theirs: set[Finding] = {
        (rule, path, _position(files[path], start), _position(files[path], end))
        for rule, path, start, end in (await scan(tmp_path / "tree", _RULES)).findings
    }
    stub = await start_semgrep()
    steps = [
        step
        async for step in stub.WatchScan(
            pb.WatchScanRequest(scan=pb.ScanRequest(workspace=tree.id)), timeout=600
        )
    ]
    ours: set[Finding] = {
        (
            each.rule,
            each.path,
            (each.range.start_line, each.range.start_column),
            (each.range.end_line, each.range.end_column),
        )
        for each in (step.finding for step in steps if step.HasField("finding"))
    }
    assert ours - theirs == set()
    assert theirs - ours == set()
    assert len(ours) > 100
    assert {"odd/latin.py", "odd/crlf.py", "odd/wide.py"} <= {path for _, path, _, _ in ours}
