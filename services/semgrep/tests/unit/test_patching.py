"""Patches, as patch(1) and git read them."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from toolmesh_semgrep.patching import make_patch
from toolmesh_semgrep.reporting import Finding
from toolmesh_semgrep.results import KeptMatch
from toolmesh_semgrep.rules import Rule, Severity

_RULE = Rule(id="r", raw={}, digest=b"", languages=frozenset(), severity=Severity.INFO, message="")


_COMMANDS = {
    "git": ["git", "apply", "--unsafe-paths", "--whitespace=nowarn", "-"],
    "patch": ["patch", "--strip=1"],
}
_ODD_NAMES = [
    "my file.py", "  two  .py", "end ", " ", "tab\tx.py", "cr\r.py", "\x01\x7f.py", "\x85\u2028.py",
    'q"x.py', '"q"', "' '", "b\\x.py", "\\", "\\n.py", '\\" \\040', "é.py", "日本/語 x.py", "😀\t",
    "n\n+++ b/other.py", "n\t\n--- a/other.py\n+++ b/other.py", "dev/null", "a/b/c d/e.py", "-p0",
    "a 2024-01-01 00:00:00 +0000", "a\t2024-01-01 00:00:00 +0000", "--- a", "@@ -1 +1 @@", "a\v\fb",
]  # fmt: skip


def _finding(content: bytes, start: int, end: int, fix: str, *, path: str = "a.txt") -> Finding:
    first, last = content.count(b"\n", 0, start) + 1, content.count(b"\n", 0, end) + 1
    match = KeptMatch(b"", first, 1, last, 1, start, end, "", fix, False, "", b"", 1)
    return Finding(_RULE, path, match, "")


def _patched(content: bytes, patch: str, folder: Path) -> bytes:
    (folder / "a.txt").write_bytes(content)
    if patch:
        subprocess.run(_COMMANDS["git"], cwd=folder, input=patch.encode(), check=True)
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


@pytest.mark.parametrize("command", [name for name in _COMMANDS if shutil.which(name)])
@pytest.mark.parametrize("name", _ODD_NAMES)
def test_a_patch_mends_the_file_that_it_names(name: str, command: str, tmp_path: Path) -> None:
    """Whatever signs a name has, git and patch mend that file, and no other."""
    content = b"eval(1)\n"
    for path in (name, "other.py"):
        tmp_path.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(path).write_bytes(content)
    patch = make_patch([_finding(content, 0, 7, "f()", path=name)], {name: content})
    subprocess.run(_COMMANDS[command], cwd=tmp_path, input=patch.encode(), check=True)
    assert tmp_path.joinpath(name).read_bytes() == b"f()\n"
    assert tmp_path.joinpath("other.py").read_bytes() == content


def test_what_one_fix_adds_to_a_patch_has_a_bound(tmp_path: Path) -> None:
    """A fix on, or next to, a line of half a megabyte is left out; the others are made."""
    content = b"f(1)\n" + b"x\n" * 4 + b"f(2)\n" + b"f(3);" * 100_000 + b"\n"
    place = content.index(b"f(2)")
    findings = [
        _finding(content, 0, 4, "g()"),
        _finding(content, place, place + 4, "g()"),
        _finding(content, place + 5, place + 9, "g()"),
    ]
    patch = make_patch(findings, {"a.txt": content})
    assert len(patch) < 1000
    assert _patched(content, patch, tmp_path) == content.replace(b"f(1)", b"g()")


def test_a_file_that_is_not_text_is_left_as_it_is() -> None:
    """A patch is text, so it cannot speak of other bytes."""
    content = b"f(1) \xe9\n"
    assert make_patch([_finding(content, 0, 4, "g")], {"a.txt": content}) == ""
