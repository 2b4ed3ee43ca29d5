"""Keeps the last reports, so that the next page of one, or the same scan again, costs little."""

import math
import time
from collections import OrderedDict
from dataclasses import replace

from toolmesh_semgrep.engine_output import SCAN_TIME_UP, may_pass
from toolmesh_semgrep.reporting import Report

# Of all reports together: a problem takes about 1 KB, a rule as much as its text.
_MOST_KILOBYTES = 20_000
_MOST_REPORTS = 1_000
# How long a report is believed in which something went wrong that may pass.
_DOUBTFUL_SECONDS = 60.0


class RecentReports:
    """Reports by a key that says all they depend on; those go first that were not asked for."""

    def __init__(self) -> None:
        self._reports: OrderedDict[bytes, tuple[float, int, Report]] = OrderedDict()
        self._kilobytes = 0

    def get(self, key: bytes) -> Report | None:
        """Return the report of a key, for which no file had to be read."""
        until, _, report = self._reports.get(key, (0.0, 0, None))
        if until < time.monotonic():
            return None
        self._reports.move_to_end(key)
        return report

    def keep(self, key: bytes, report: Report) -> None:
        """Keep a report, unless it is large, or the next scan goes on where this one ended."""
        reasons = {problem.reason for problem in report.problems}
        size = _kilobytes(report)
        if size > _MOST_KILOBYTES or SCAN_TIME_UP in reasons:
            return
        if key in self._reports:
            self._kilobytes -= self._reports.pop(key)[1]
        doubtful = any(map(may_pass, reasons))
        until = time.monotonic() + _DOUBTFUL_SECONDS if doubtful else math.inf
        self._reports[key] = (until, size, replace(report, engine_file_count=0))
        self._kilobytes += size
        while self._kilobytes > _MOST_KILOBYTES or len(self._reports) > _MOST_REPORTS:
            self._kilobytes -= self._reports.popitem(last=False)[1][1]


def _kilobytes(report: Report) -> int:
    rules = {finding.rule.digest: finding.rule for finding in report.findings}
    texts = sum(len(str(rule.raw)) for rule in rules.values())
    matches = sum(finding.match.kilobytes for finding in report.findings)
    return matches + len(report.problems) + texts // 1000
