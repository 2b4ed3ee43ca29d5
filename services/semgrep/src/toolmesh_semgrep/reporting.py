"""Makes findings of matches: fingerprints, what the baseline had, what was suppressed."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from toolmesh_semgrep.results import KeptMatch
from toolmesh_semgrep.rules import Rule
from toolmesh_semgrep.scanning import Scanned

NO_RULE = "no rule ran: `severities` leaves none of those chosen"
NO_FILE = (
    "no file was scanned: `include`, `exclude` and the workspace's `.semgrepignore` leave none in a"
    " language of the rules"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where code matches a rule. The fingerprint has 32 hex digits.

    `baseline_unknown`: the rule failed in the baseline on the file, so it may have been there.
    """

    rule: Rule
    path: str
    match: KeptMatch
    fingerprint: str
    baseline_unknown: bool = False


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that was not scanned, or not by the rule named; of the snapshot or its baseline.

    Without a path: the scan looked at nothing at all.
    """

    path: str
    rule: str
    reason: str
    in_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The findings, the worst first, then by path and place; and what is not among them."""

    findings: tuple[Finding, ...]
    problems: tuple[FileProblem, ...]
    suppressed_count: int
    baseline_count: int
    file_count: int
    engine_file_count: int
    snapshot: str


def report(
    scanned: Scanned,
    rules: Mapping[bytes, Rule],
    *,
    baseline: Scanned | None = None,
) -> Report:
    """Return the report of a scan with the rules, which are given by their digests.

    A finding is in the baseline when it has there the same fingerprint; or the same rule and code
    in a file that is gone since, for files get other names. Where the rule failed on what would
    say so, it is unknown.
    """
    matches = _matches(scanned)
    findings = _fingerprinted(matches, rules)
    fresh = findings if baseline is None else _fresh(findings, baseline, rules, scanned)
    fresh.sort(key=_order)
    problems = [*_emptiness(scanned, rules), *_problems(scanned, rules)]
    if baseline is not None:
        problems += (replace(each, in_baseline=True) for each in _problems(baseline, rules))
    return Report(
        findings=tuple(fresh),
        problems=tuple(problems),
        suppressed_count=sum(match.suppressed for _, match in matches),
        baseline_count=len(findings) - len(fresh),
        file_count=len(scanned.results),
        engine_file_count=scanned.engine_files,
        snapshot=scanned.snapshot,
    )


def _matches(scanned: Scanned) -> list[tuple[str, KeptMatch]]:
    """Return the matches with their paths, in the order of path and place."""
    matches = [
        (path, match)
        for path, results in scanned.results.items()
        for result in results
        for match in result.matches
    ]
    # A rule for several languages may read one file twice, and say the same twice.
    once = {
        (path, match.rule, match.start_offset, match.end_offset, match.message): (path, match)
        for path, match in matches
    }
    return sorted(
        once.values(),
        key=lambda item: (item[0], item[1].start_offset, item[1].end_offset, item[1].message),
    )


def _fingerprinted(
    matches: list[tuple[str, KeptMatch]], rules: Mapping[bytes, Rule]
) -> list[Finding]:
    seen: Counter[tuple[str, str, bytes]] = Counter()
    findings: list[Finding] = []
    for path, match in matches:
        if match.suppressed:
            continue
        rule = rules[match.rule]
        alike = (rule.id, path, match.code)
        text = f"{rule.id}\0{path}\0{match.code.hex()}\0{seen[alike]}"
        seen[alike] += 1
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]
        findings.append(Finding(rule, path, match, fingerprint))
    return findings


def _fresh(
    findings: list[Finding], baseline: Scanned, rules: Mapping[bytes, Rule], scanned: Scanned
) -> list[Finding]:
    known = _fingerprinted(_matches(baseline), rules)
    fingerprints = {finding.fingerprint for finding in known}
    moved = Counter(
        (finding.rule.id, finding.match.code)
        for finding in known
        if finding.path not in scanned.results
    )
    failed = _failed(baseline, scanned)
    fresh: list[Finding] = []
    for finding in findings:
        if finding.fingerprint in fingerprints:
            continue
        alike = (finding.rule.id, finding.match.code)
        if moved[alike] and finding.path not in baseline.results:
            moved[alike] -= 1
            continue
        before = finding.path if finding.path in baseline.results else ""
        unknown = not failed.isdisjoint([(before, finding.rule.digest), (before, b"")])
        fresh.append(replace(finding, baseline_unknown=unknown))
    return fresh


def _failed(baseline: Scanned, scanned: Scanned) -> set[tuple[str, bytes]]:
    """Return on which files of a baseline which rules failed; files that are gone have no path."""
    return {
        (path if path in scanned.results else "", fault.rule)
        for path, results in baseline.results.items()
        for result in results
        for fault in result.faults
    }


def _order(finding: Finding) -> tuple[object, ...]:
    match = finding.match
    return (
        -finding.rule.severity,
        finding.path,
        match.start_offset,
        finding.rule.id,
        match.end_offset,
        match.message,
    )


def _emptiness(scanned: Scanned, rules: Mapping[bytes, Rule]) -> list[FileProblem]:
    """Return why a scan looked at nothing; what it then does not find must not look clean."""
    if rules and scanned.results:
        return []
    return [FileProblem(path="", rule="", reason=NO_FILE if rules else NO_RULE)]


def _problems(scanned: Scanned, rules: Mapping[bytes, Rule]) -> list[FileProblem]:
    problems: dict[FileProblem, None] = {}
    for path in sorted(scanned.results):
        for result in scanned.results[path]:
            for fault in result.faults:
                rule = rules[fault.rule].id if fault.rule in rules else ""
                problems[FileProblem(path, rule, fault.reason)] = None
    return list(problems)
