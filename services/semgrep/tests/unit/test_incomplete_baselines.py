"""What a report says where a rule failed on the baseline."""

from toolmesh_semgrep.engine_output import SCAN_TIME_UP
from toolmesh_semgrep.recent_reports import RecentReports
from toolmesh_semgrep.reporting import FileProblem, report
from toolmesh_semgrep.results import FileResult, KeptFault
from toolmesh_semgrep.rules import Rule, Severity
from toolmesh_semgrep.scanning import Scanned


def test_a_report_whose_baseline_was_not_reached_is_not_kept() -> None:
    """The next scan goes on with the baseline; whose problem it was is told."""
    rule = Rule(
        id="r",
        raw={},
        digest=b"r",
        languages=frozenset(),
        severity=Severity.INFO,
        message="",
    )
    whole = Scanned("", {"a.py": [FileResult()]}, 0)
    late = Scanned("", {"a.py": [FileResult(faults=(KeptFault(b"r", SCAN_TIME_UP),))]}, 0)
    made = report(whole, {b"r": rule}, baseline=late)
    assert made.problems == (FileProblem("a.py", "r", SCAN_TIME_UP, in_baseline=True),)
    reports = RecentReports()
    reports.keep(b"key", made)
    assert reports.get(b"key") is None
