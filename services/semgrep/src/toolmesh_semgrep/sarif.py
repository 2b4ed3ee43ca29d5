"""Writes a report as SARIF 2.1.0 (OASIS, 2023), which code hosts and editors read."""

import json
import re
from typing import Any
from urllib.parse import quote

from toolmesh_semgrep.reporting import FileProblem, Finding, Report
from toolmesh_semgrep.rules import Rule, Severity

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
# `helpUri` is an absolute URI; rules say where to read more in any words.
_SIGN = r"(?:[\w.~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_WEB_ADDRESS = re.compile(rf"https?://[\w.-]+(?::\d+)?(?:[/?]{_SIGN}*)?(?:#{_SIGN}*)?", re.ASCII)
_NEW = {"baselineState": "new"}
_LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}


def sarif_document(report: Report, rules: tuple[Rule, ...], *, has_baseline: bool) -> str:
    """Return the document, JSON; `rules` are those that ran.

    With a baseline every result is `new`, in the words of the standard: detected now, and not in
    the baseline. It has no state for what may have been there, and wants one of each result or of
    none, so a property says it.
    """
    rules = tuple(sorted(rules, key=lambda rule: rule.id))
    places = {rule.id: index for index, rule in enumerate(rules)}
    driver = {
        "name": "Toolmesh semgrep",
        "informationUri": "https://toolmesh.dev",
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"ROOT": {"description": {"text": "The workspace's root."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": list(map(_notification, report.problems)),
            }
        ],
        "results": [
            _result(finding, places) | (_NEW if has_baseline else {}) for finding in report.findings
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False)


def _notification(problem: FileProblem) -> dict[str, Any]:
    if not problem.path:
        return {"level": "warning", "message": {"text": problem.reason}}
    where = "in the baseline, " if problem.in_baseline else ""
    return {
        "level": "warning",
        "message": {"text": f"{where}{problem.rule or 'the file'}: {problem.reason}"},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(problem.path)}}],
        "properties": {"inBaseline": problem.in_baseline},
    }


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "name": rule.id,
        "shortDescription": {"text": rule.message.partition("\n")[0]},
        "fullDescription": {"text": rule.message},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        # Each once, as the schema demands.
        "properties": {"tags": list(dict.fromkeys((*rule.cwe, *rule.owasp)))},
    }
    address = next(filter(_WEB_ADDRESS.fullmatch, rule.references), None)
    if address is not None:
        described["helpUri"] = address
    return described


def _result(finding: Finding, places: dict[str, int]) -> dict[str, Any]:
    match = finding.match
    region = {
        "startLine": match.start_line,
        "startColumn": match.start_column,
        "endLine": match.end_line,
        "endColumn": match.end_column,
    }
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": places[finding.rule.id],
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": match.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(finding.path),
                    "region": {**region, "snippet": {"text": match.lines}},
                }
            }
        ],
        "partialFingerprints": {"toolmeshFinding/v1": finding.fingerprint},
    }
    if match.fix is not None:
        replacement = {"deletedRegion": region, "insertedContent": {"text": match.fix}}
        change = {"artifactLocation": _artifact(finding.path), "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": match.message}, "artifactChanges": [change]}]
    if finding.baseline_unknown:
        result["properties"] = {"baselineUnknown": True}
    return result


def _artifact(path: str) -> dict[str, str]:
    return {"uri": quote(path), "uriBaseId": "ROOT"}
