"""Which reports are kept."""

from toolmesh_semgrep.engine_output import SCAN_TIME_UP, TIMED_OUT
from toolmesh_semgrep.recent_reports import RecentReports
from toolmesh_semgrep.reporting import FileProblem, Finding, Report
from toolmesh_semgrep.results import KeptMatch
from toolmesh_semgrep.rules import Rule, Severity


def _finding(pattern: str, *, kilobytes: int = 1) -> Finding:
    rule = Rule(
        id="r",
        raw={"pattern": pattern},
        digest=pattern.encode(),
        languages=frozenset(),
        severity=Severity.INFO,
        message="",
    )
    match = KeptMatch(b"", 1, 1, 1, 1, 0, 1, "", None, False, "", b"", kilobytes)
    return Finding(rule, "a.py", match, "")


def _report(*reasons: str, findings: tuple[Finding, ...] = ()) -> Report:
    problems = tuple(FileProblem(f"{number}.py", "r", why) for number, why in enumerate(reasons))
    return Report(
        findings=findings,
        problems=problems,
        suppressed_count=0,
        baseline_count=0,
        file_count=len(reasons),
        engine_file_count=3,
        snapshot="",
    )


def test_a_kept_report_cost_the_engine_nothing() -> None:
    """It is the same but for the files that were read for it."""
    reports = RecentReports()
    reports.keep(b"a", _report(TIMED_OUT))
    found = reports.get(b"a")
    assert found is not None
    assert (found.engine_file_count, found.problems) == (0, _report(TIMED_OUT).problems)
    assert reports.get(b"b") is None


def test_an_unfinished_scan_goes_on() -> None:
    """Its report is not kept: the next scan finds more."""
    reports = RecentReports()
    reports.keep(b"a", _report(SCAN_TIME_UP))
    assert reports.get(b"a") is None


def test_what_is_kept_has_a_bound() -> None:
    """The report that was asked for stays, the others make room; one too large is not kept."""
    reports = RecentReports()
    large = _report(*["syntax error"] * 9_000)
    reports.keep(b"first", large)
    reports.keep(b"second", large)
    assert reports.get(b"first") is not None
    reports.keep(b"third", large)
    assert [reports.get(key) is not None for key in (b"first", b"second", b"third")] == [
        True, False, True,
    ]  # fmt: skip
    reports.keep(b"first", large)
    assert reports.get(b"third") is not None
    reports.keep(b"huge", _report(*["syntax error"] * 20_001))
    assert reports.get(b"huge") is None


def test_long_rules_take_their_room() -> None:
    """A report holds on to the rules of its findings, each counted once."""
    reports = RecentReports()
    long = _finding("x" * 9_000_000)
    for key in (b"a", b"b", b"c"):
        reports.keep(key, _report(findings=(long, long)))
    assert [reports.get(key) is not None for key in (b"a", b"b", b"c")] == [False, True, True]


def test_long_texts_take_their_room() -> None:
    """A finding counts with its message, lines and fix."""
    reports = RecentReports()
    for key in (b"a", b"b", b"c"):
        reports.keep(key, _report(findings=(_finding("x", kilobytes=22),) * 400))
    assert [reports.get(key) is not None for key in (b"a", b"b", b"c")] == [False, True, True]
