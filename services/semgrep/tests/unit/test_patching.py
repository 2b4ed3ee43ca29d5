"""Patches, as patch(1) and git read them."""

import random
import subprocess
from pathlib import Path

import pytest

from toolmesh_semgrep.patching import make_patch
from toolmesh_semgrep.reporting import Finding
from toolmesh_semgrep.results import KeptMatch
from toolmesh_semgrep.rules import Rule, Severity

_RULE = Rule(id="r", raw={}, digest=b"", languages=frozenset(), severity=Severity.INFO, message="")


def _finding(content: bytes, start: int, end: int, fix: str) -> Finding:
    first, last = content.count(b"\n", 0, start) + 1, content.count(b"\n", 0, end) + 1
    match = KeptMatch(b"", first, 1, last, 1, start, end, "", fix, False, "", b"", 1)
    return Finding(_RULE, "a.txt", match, "")


def _patched(content: bytes, patch: str, folder: Path) -> bytes:
    (folder / "a.txt").write_bytes(content)
    if patch:
        command = ["git", "apply", "--unsafe-paths", "--whitespace=nowarn", "-"]
        subprocess.run(command, cwd=folder, input=patch.encode(), check=True)
    return (folder / "a.txt").read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_a_patch_makes_exactly_the_fixes(seed: int, tmp_path: Path) -> None:
    """Whatever lines end with, and wherever fixes touch: git makes of it what the fixes say."""
    draw = random.Random(seed)
    pieces = ["a", "é", "\r\n", "\n", "\f", "\u2028", "\r", "bc d", "\n\n"]
    content = "".join(draw.choices(pieces, k=draw.randint(1, 200))).encode()
    cuts = sorted(draw.sample(range(len(content) + 1), min(len(content) + 1, 12)))
    findings, expected, done = [], b"", 0
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        try:
            content[:start].decode(), content[start:end].decode()
        except UnicodeDecodeError:
            continue
        fix = "".join(draw.choices(["x", "\n", "", "y\r\nz"], k=2))
        findings.append(_finding(content, start, end, fix))
        expected += content[done:start] + fix.encode()
        done = end
    expected += content[done:]
    draw.shuffle(findings)
    assert _patched(content, make_patch(findings, {"a.txt": content}), tmp_path) == expected


def test_of_fixes_that_overlap_the_first_is_made(tmp_path: Path) -> None:
    """A later fix inside an earlier one waits for the next scan."""
    content = b"f(g(1))\n"
    findings = [_finding(content, 2, 6, "2"), _finding(content, 0, 7, "h()")]
    assert _patched(content, make_patch(findings, {"a.txt": content}), tmp_path) == b"h()\n"


def test_a_file_that_is_not_text_is_left_as_it_is() -> None:
    """A patch is text, so it cannot speak of other bytes."""
    content = b"f(1) \xe9\n"
    assert make_patch([_finding(content, 0, 4, "g")], {"a.txt": content}) == ""
