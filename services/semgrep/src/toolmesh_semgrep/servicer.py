"""The semgrep service's RPCs: protos to domain and back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message

from toolmesh.semgrep.v1 import finding_pb2, rule_pb2, semgrep_service_pb2, semgrep_service_pb2_grpc
from toolmesh_semgrep.engine_languages import EngineLanguage, EngineLanguages
from toolmesh_semgrep.errors import LanguageUnknown, PackUnknown, ScanInvalid
from toolmesh_semgrep.packs import Packs
from toolmesh_semgrep.patching import make_patch
from toolmesh_semgrep.reporting import FileProblem, Finding, Report
from toolmesh_semgrep.rule_choice import Choice, RuleChooser
from toolmesh_semgrep.rules import Problem, Rule, Severity
from toolmesh_semgrep.sarif import sarif_document
from toolmesh_semgrep.scanning import Progress
from toolmesh_semgrep.scans import Reported, Scans, ScanSpec
from toolmesh_serving.answer_budget import fit_items, gateway_json
from toolmesh_serving.page_tokens import Count, list_name, read_page_token, write_page_token
from toolmesh_workspaces.snapshot import Snapshot
from toolmesh_workspaces.snapshot_opener import SnapshotOpener

_Item = TypeVar("_Item")

_DEFAULT_TOKENS = 4096
_DEFAULT_RULES = 50
_DEFAULT_LANGUAGES = 100
# How much of the files that a patch mends one answer holds in memory.
_MOST_MENDED_BYTES = 2**24
_MOST_PROBLEMS = 100
# Under the largest message that a caller takes.
_MOST_SARIF_BYTES = 15 * 2**20
# Of an answer's tokens, how many problems with files may take at most.
_PROBLEMS_SHARE = 0.25

_SEVERITIES = {
    finding_pb2.SEVERITY_INFO: Severity.INFO,
    finding_pb2.SEVERITY_WARNING: Severity.WARNING,
    finding_pb2.SEVERITY_ERROR: Severity.ERROR,
}
_SEVERITY_VALUES = {severity: value for value, severity in _SEVERITIES.items()}


class _Begin(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of findings begins, of the scan of which snapshot."""

    offset: Count
    snapshot: bytes


class SemgrepServicer(semgrep_service_pb2_grpc.SemgrepServiceServicer):
    """Serves `SemgrepService`."""

    def __init__(
        self,
        *,
        scans: Scans,
        chooser: RuleChooser,
        packs: Packs,
        languages: EngineLanguages,
        snapshots: SnapshotOpener,
        count_tokens: Callable[[str], int],
    ) -> None:
        self._scans = scans
        self._chooser = chooser
        self._packs = packs
        self._languages = languages
        self._snapshots = snapshots
        self._count_tokens = count_tokens

    async def Scan(
        self, request: semgrep_service_pb2.ScanRequest, context: Any
    ) -> semgrep_service_pb2.ScanResponse:
        """See the proto."""
        begin = _Begin(0, bytes.fromhex(request.snapshot))
        if request.page_token:
            begin = read_page_token(request.page_token, _Begin, of=list_name(request))
        snapshot = await self._snapshots.open(request.workspace, begin.snapshot.hex())
        baseline = await self._baseline(request)
        async with self._scans.reported(_spec(request), snapshot, baseline) as reported:
            return await self._page(request, snapshot, reported, begin.offset)

    async def WatchScan(
        self, request: semgrep_service_pb2.WatchScanRequest, context: Any
    ) -> AsyncIterator[semgrep_service_pb2.WatchScanResponse]:
        """See the proto."""
        snapshot = await self._snapshots.open(request.scan.workspace, request.scan.snapshot)
        baseline = await self._baseline(request.scan)
        scan = self._scans.run(_spec(request.scan), snapshot, baseline)
        async with aclosing(scan) as steps:
            async for step in steps:
                if isinstance(step, Progress):
                    progress = semgrep_service_pb2.ScanProgress(
                        done_count=step.done, total_count=step.total
                    )
                    yield semgrep_service_pb2.WatchScanResponse(progress=progress)
                    continue
                for finding in step.report.findings:
                    yield semgrep_service_pb2.WatchScanResponse(finding=_finding(finding))
                summary = _summary(step.report, len(step.rules))
                summary.problems.extend(map(_scan_problem, step.report.problems[:_MOST_PROBLEMS]))
                yield semgrep_service_pb2.WatchScanResponse(summary=summary)

    async def ExportSarif(
        self, request: semgrep_service_pb2.ExportSarifRequest, context: Any
    ) -> semgrep_service_pb2.ExportSarifResponse:
        """See the proto."""
        snapshot = await self._snapshots.open(request.scan.workspace, request.scan.snapshot)
        baseline = await self._baseline(request.scan)
        async with self._scans.reported(_spec(request.scan), snapshot, baseline) as reported:
            sarif = await asyncio.to_thread(
                sarif_document,
                reported.report,
                reported.rules,
                has_baseline=baseline is not None,
            )
        if len(sarif.encode()) > _MOST_SARIF_BYTES:
            raise ScanInvalid.at(
                "scan",
                f"{len(reported.report.findings):,} findings make a document that is too large:"
                " choose files with `include`, or fewer rules or severities",
            )
        return semgrep_service_pb2.ExportSarifResponse(sarif=sarif)

    async def ListRules(
        self, request: semgrep_service_pb2.ListRulesRequest, context: Any
    ) -> semgrep_service_pb2.ListRulesResponse:
        """See the proto."""
        if request.pack and request.pack not in self._packs.by_name:
            raise PackUnknown.at("pack", request.pack, self._packs.names())
        language = self._languages.find(request.language) if request.language else None
        if request.language and language is None:
            raise LanguageUnknown.at("language", request.language, self._languages)
        rules = [
            rule
            for rule in self._packs.rules()
            if request.pack in ("", rule.pack)
            and (language is None or language.name in rule.languages)
        ]
        page, next_page_token = _page_of(request, rules, _DEFAULT_RULES)
        return semgrep_service_pb2.ListRulesResponse(
            rules=map(_rule, page), next_page_token=next_page_token
        )

    async def ValidateRule(
        self, request: semgrep_service_pb2.ValidateRuleRequest, context: Any
    ) -> semgrep_service_pb2.ValidateRuleResponse:
        """See the proto."""
        checked = await self._chooser.check(request.rules)
        response = semgrep_service_pb2.ValidateRuleResponse(valid=not checked.problems)
        problems = list(map(_problem, checked.problems))
        ids = [rule.id for rule in checked.rules]

        def show(count: int) -> None:
            del response.problems[:], response.rule_ids[:]
            response.problems.extend(problems[:count])
            response.rule_ids.extend(ids[: max(0, count - len(problems))])
            response.truncated = count < len(problems) + len(ids)

        items = chain(map(gateway_json, problems), map(json.dumps, ids))
        sizes = (self._count_tokens(item) + 1 for item in items)
        most = request.max_tokens or _DEFAULT_TOKENS
        await asyncio.to_thread(self._fit, response, sizes, show=show, most=most)
        return response

    async def ListLanguages(
        self, request: semgrep_service_pb2.ListLanguagesRequest, context: Any
    ) -> semgrep_service_pb2.ListLanguagesResponse:
        """See the proto."""
        page, next_page_token = _page_of(request, self._languages.all, _DEFAULT_LANGUAGES)
        return semgrep_service_pb2.ListLanguagesResponse(
            languages=map(_language, page), next_page_token=next_page_token
        )

    async def _baseline(self, request: semgrep_service_pb2.ScanRequest) -> Snapshot | None:
        if not request.baseline_snapshot:
            return None
        return await self._snapshots.open(request.workspace, request.baseline_snapshot)

    async def _page(
        self,
        request: semgrep_service_pb2.ScanRequest,
        snapshot: Snapshot,
        reported: Reported,
        offset: int,
    ) -> semgrep_service_pb2.ScanResponse:
        """Return the findings from the offset on that fit into the request's tokens."""
        report = reported.report
        most = request.max_tokens or _DEFAULT_TOKENS
        response = semgrep_service_pb2.ScanResponse(summary=_summary(report, len(reported.rules)))
        problems = map(_scan_problem, report.problems[:_MOST_PROBLEMS])
        self._add(response.summary.problems, problems, int(most * _PROBLEMS_SHARE))
        rest = report.findings[offset:]
        sizes = await asyncio.to_thread(self._sizes, rest, most)
        page: Sequence[Finding] = rest[: len(sizes)]
        name, snapshot_digest = list_name(request), bytes.fromhex(report.snapshot)
        contents: dict[str, bytes] = {}
        if request.with_patch:
            page, contents = await _with_contents(snapshot, page)

        def show(count: int) -> None:
            del response.findings[:]
            response.findings.extend(map(_finding, page[:count]))
            response.patch = make_patch(page[:count], contents)
            response.truncated = count < len(rest)
            following = write_page_token(_Begin(offset + count, snapshot_digest), of=name)
            response.next_page_token = following if response.truncated else ""

        await asyncio.to_thread(self._fit, response, sizes[: len(page)], show=show, most=most)
        return response

    def _sizes(self, findings: Iterable[Finding], most: int) -> list[int]:
        """Return the tokens of the first findings: those that may fit, and one more."""
        sizes: list[int] = []
        for finding in findings:
            sizes.append(self._count_tokens(gateway_json(_finding(finding))) + 1)
            most -= sizes[-1]
            if most < 0:
                break
        return sizes

    def _fit(
        self, response: Any, sizes: Iterable[int], *, show: Callable[[int], None], most: int
    ) -> None:
        fits = fit_items(
            response, sizes, show=show, max_tokens=most, count_tokens=self._count_tokens
        )
        if not fits:
            needed = response.token_count
            raise ScanInvalid.at("max_tokens", f"too few for this answer; give at least {needed}")

    def _add(self, messages: Any, new: Iterable[Message], left: int) -> None:
        """Append messages while they fit into the tokens that are left."""
        for message in new:
            left -= self._count_tokens(gateway_json(message)) + 1
            if left < 0:
                break
            messages.append(message)


async def _with_contents(
    snapshot: Snapshot, findings: Sequence[Finding]
) -> tuple[Sequence[Finding], dict[str, bytes]]:
    """Return as many findings as one answer can mend, with the contents of their files by path."""
    digests: dict[str, bytes] = {}
    left = _MOST_MENDED_BYTES
    for number, finding in enumerate(findings):
        fixable = finding.match.fix is not None and finding.path not in digests
        entry = snapshot.manifest.find(finding.path) if fixable else None
        if entry is None:
            continue
        if digests and entry.size_bytes > left:
            findings = findings[:number]
            break
        left -= entry.size_bytes
        digests[finding.path] = entry.digest
    contents = {
        digest: content
        async for digest, content in snapshot.read_many(dict.fromkeys(digests.values()))
    }
    return findings, {path: contents[digest] for path, digest in digests.items()}


def _page_of(request: Any, items: Sequence[_Item], default: int) -> tuple[Sequence[_Item], str]:
    """Return the page of a list that a request asks for, and the next page's token."""
    name = list_name(request)
    offset = read_page_token(request.page_token, int, of=name) if request.page_token else 0
    end = offset + (request.page_size or default)
    token = write_page_token(end, of=name) if end < len(items) else ""
    return items[offset:end], token


def _spec(request: semgrep_service_pb2.ScanRequest) -> ScanSpec:
    for index, severity in enumerate(request.severities):
        if severity not in _SEVERITIES:
            raise ScanInvalid.at(f"severities[{index}]", "not one of INFO, WARNING, ERROR")
    return ScanSpec(
        choice=Choice(
            packs=request.packs,
            rules=request.rules,
            pattern=request.pattern,
            language=request.language,
        ),
        include=request.include,
        exclude=request.exclude,
        severities=frozenset(_SEVERITIES[severity] for severity in request.severities),
    )


def _finding(finding: Finding) -> finding_pb2.Finding:
    rule, match = finding.rule, finding.match
    return finding_pb2.Finding(
        rule=rule.id,
        severity=_SEVERITY_VALUES[rule.severity],
        message=match.message,
        path=finding.path,
        range=finding_pb2.Range(
            start_line=match.start_line,
            start_column=match.start_column,
            end_line=match.end_line,
            end_column=match.end_column,
        ),
        lines=match.lines,
        fingerprint=finding.fingerprint,
        fix=match.fix or "",
        fixable=match.fix is not None,
        baseline_unknown=finding.baseline_unknown,
        cwe=rule.cwe,
        owasp=rule.owasp,
        references=rule.references,
    )


def _summary(report: Report, rule_count: int) -> semgrep_service_pb2.ScanSummary:
    return semgrep_service_pb2.ScanSummary(
        snapshot=report.snapshot,
        finding_count=len(report.findings),
        suppressed_count=report.suppressed_count,
        baseline_count=report.baseline_count,
        baseline_unknown_count=sum(finding.baseline_unknown for finding in report.findings),
        rule_count=rule_count,
        file_count=report.file_count,
        scanned_file_count=report.engine_file_count,
        problem_count=len(report.problems),
    )


def _scan_problem(problem: FileProblem) -> finding_pb2.ScanProblem:
    return finding_pb2.ScanProblem(
        path=problem.path,
        rule=problem.rule,
        reason=problem.reason,
        in_baseline=problem.in_baseline,
    )


def _rule(rule: Rule) -> rule_pb2.Rule:
    return rule_pb2.Rule(
        id=rule.id,
        pack=rule.pack,
        languages=sorted(rule.languages),
        severity=_SEVERITY_VALUES[rule.severity],
        message=rule.message,
        cwe=rule.cwe,
        owasp=rule.owasp,
        references=rule.references,
        fixable=rule.fixable,
    )


def _problem(problem: Problem) -> rule_pb2.RuleProblem:
    return rule_pb2.RuleProblem(
        rule=problem.rule, message=problem.message, line=problem.line, column=problem.column
    )


def _language(language: EngineLanguage) -> rule_pb2.Language:
    return rule_pb2.Language(
        name=language.name, aliases=language.aliases, extensions=language.extensions
    )
