"""Commands that call a real mesh say all that its answers hold, or how to see the rest."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh_cli.failures import ExitCode

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pushed")]

_FUNCTIONS = 120
_RULE = """rules:
  - id: mine
    languages: [python]
    severity: ERROR
    message: no loads
    pattern: yaml.load(...)
"""


def test_no_limit_shows_all_pages(toolmesh: Callable[..., Any]) -> None:
    """What the hint of a short list recommends works, however small the method's pages are."""
    short = toolmesh("codesearch", "search", "--exact-text", "return yaml", "--limit", "101")
    assert short.code == 0
    assert "101 of 120 hits: --limit 0 shows all" in short.err
    ran = toolmesh("codesearch", "search", "--exact-text", "return yaml", "--limit", "0", "--json")
    answer = json.loads(ran.out)
    assert len({hit["path"] for hit in answer["hits"]}) == _FUNCTIONS
    assert (answer["truncated"], answer["nextPageToken"], ran.err) == (False, "", "")


def test_a_budget_holds_for_all_pages(toolmesh: Callable[..., Any]) -> None:
    """A list ends where the tokens that were asked for are used up, and says so."""
    most = 2000
    options = ("--max-tokens", str(most), "--limit", "0")
    ran = toolmesh("codesearch", "search", "--exact-text", "return yaml", *options, "--json")
    answer = json.loads(ran.out)
    assert 0 < answer["tokenCount"] <= most
    assert f"{len(answer['hits'])} of 120 hits: a larger --max-tokens shows more" in ran.err


def test_every_finding_is_reached_by_the_options_that_are_named(
    toolmesh: Callable[..., Any],
) -> None:
    """Each page names the option that shows the next one, until there is none."""
    seen: list[str] = []
    options: tuple[str, ...] = ()
    while True:
        ran = toolmesh("semgrep", "scan", "--packs", "python", "--max-tokens", "9000", *options)
        assert ran.code == 0
        seen += re.findall(r"^(load_\d+\.py):", ran.out, re.MULTILINE)
        named = re.search(r"of 120 findings on this page: (--page-token=\S+) shows", ran.err)
        if named is None:
            break
        options = (named[1],)
    assert options
    assert len(set(seen)) == len(seen) == _FUNCTIONS
    assert "on this page" not in ran.err


def test_findings_beside_a_patch_are_all_shown(toolmesh: Callable[..., Any]) -> None:
    """The patch alone is on stdout; each finding of the page is named as a place on stderr."""
    ran = toolmesh("semgrep", "scan", "--packs", "python", "--with-patch")
    assert ran.out.startswith("--- ")
    patched = re.findall(r"^\+\+\+ b/(\S+)", ran.out, re.MULTILINE)
    assert len(patched) > 10
    assert set(re.findall(r"^(load_\d+\.py):5:", ran.err, re.MULTILINE)) == set(patched)
    assert f"{len(patched)} of 120 findings on this page" in ran.err


def test_each_subject_pushes_to_a_workspace_of_its_own(
    pushed: Path, toolmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one's push takes nothing from the first, and a refused one makes up nothing."""
    first = json.loads(toolmesh("push", "--json").out)["workspace"]
    options = ("--display-name", "x", "--subject")
    keys = {
        role: toolmesh("keys", "create", *options, f"a-{role}", "--roles", role).out.strip()
        for role in ("developer", "viewer")
    }
    monkeypatch.setenv("TOOLMESH_API_KEY", keys["viewer"])
    refused = toolmesh("push")
    assert refused.code == ExitCode.DENIED
    assert "is gone" not in refused.err
    lost = toolmesh("repomap", "map")
    assert lost.code == ExitCode.USAGE
    assert "no push of this folder as a-viewer" in lost.err
    assert f"pushed it to {first}" in lost.err
    monkeypatch.setenv("TOOLMESH_API_KEY", keys["developer"])
    ran = toolmesh("push", "--json")
    second = json.loads(ran.out)["workspace"]
    assert second != first
    assert ran.err == ""
    assert json.loads(toolmesh("push", str(pushed), "--json").out)["workspace"] == second
    assert "load_1" in toolmesh("repomap", "map").out
    monkeypatch.delenv("TOOLMESH_API_KEY")
    ran = toolmesh("push", "--json")
    assert (json.loads(ran.out)["workspace"], ran.err) == (first, "")
    assert json.loads(toolmesh("push", "--new", "--json").out)["workspace"] != first
    assert toolmesh("push", "--workspace", first).code == 0
    assert json.loads(toolmesh("push", "--json").out)["workspace"] == first


def test_a_request_in_a_request_takes_options_and_the_folder(
    toolmesh: Callable[..., Any],
) -> None:
    """A SARIF file of this folder by a rule file, without a word of JSON; streams do so as well."""
    Path("mine.yaml").write_text(_RULE)
    ran = toolmesh("semgrep", "export-sarif", "--rules", "@mine.yaml", "--include", "load_1.py")
    assert ran.code == 0
    assert [result["ruleId"] for result in json.loads(ran.out)["runs"][0]["results"]] == ["mine"]
    options = ("--rules", "@mine.yaml", "--include", "load_1.py")
    steps = toolmesh("semgrep", "watch-scan", *options, "--json").out.splitlines()
    assert json.loads(steps[-1])["summary"]["findingCount"] == 1
    assert toolmesh("repomap", "index").code == 0
    assert toolmesh("codesearch", "index", "--words-only").code == 0


def test_rules_longer_than_a_command_line_come_from_a_file(toolmesh: Callable[..., Any]) -> None:
    """They arrive whole."""
    long = "# long\n" * 30_000 + _RULE
    Path("long.yaml").write_text(long)
    ran = toolmesh("semgrep", "validate", "--rules", "@long.yaml", "--json")
    assert json.loads(ran.out)["ruleIds"] == ["mine"]
