"""The fixes of the rules of our own, as a caller gets them: a patch that git applies."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh.semgrep.v1 import semgrep_service_pb2 as pb

_RULES = Path(__file__).parents[2] / "rules"
_FIXED = sorted(_RULES.rglob("*.fixed.*"))


def _patched(file: Path, code: str, patch: str) -> str:
    file.write_text(code)
    command = ["git", "apply", "--unsafe-paths", "-"]
    subprocess.run(command, cwd=file.parent, input=patch.encode(), check=True)
    return file.read_text()


@pytest.mark.parametrize("fixed", _FIXED, ids=lambda path: str(path.relative_to(_RULES)))
async def test_the_patch_makes_the_fixed_file(
    fixed: Path, scan: Callable[..., Awaitable[pb.ScanResponse]], tmp_path: Path
) -> None:
    """Of a rule's test file the patch makes the file beside it that is as it should be."""
    name = fixed.name.replace(".fixed.", ".")
    code = fixed.with_name(name).read_text()
    rules = fixed.with_name(f"{name.partition('.')[0]}.yaml").read_text()
    response = await scan({name: code}, rules=rules, with_patch=True, max_tokens=100_000)
    mended = await asyncio.to_thread(_patched, tmp_path / name, code, response.patch)
    assert mended == await asyncio.to_thread(fixed.read_text)


async def test_a_mended_file_needs_no_more_mending(
    scan: Callable[..., Awaitable[pb.ScanResponse]], push_tree: Any
) -> None:
    """What was fixed is not found again: no fix calls for another."""
    tree = await push_tree({str(path.relative_to(_RULES)): path.read_text() for path in _FIXED})
    response = await scan(workspace=tree.id, with_patch=True, max_tokens=100_000)
    assert len(_FIXED) > 5
    assert response.summary.finding_count > 10
    assert [finding.rule for finding in response.findings if finding.fixable] == []
    assert response.patch == ""
