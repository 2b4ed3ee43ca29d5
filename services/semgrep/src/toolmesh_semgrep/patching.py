"""Makes one patch of the fixes that findings carry."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from toolmesh_semgrep.reporting import Finding


def make_patch(findings: Iterable[Finding], contents: Mapping[str, bytes]) -> str:
    """Return a unified diff that applies the fixes; of fixes that overlap, the first.

    `contents` has the files by path; a file that is not there, or is not UTF-8, is left as it is.
    """
    by_path: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.match.fix is not None and finding.path in contents:
            by_path[finding.path].append(finding)
    return "".join(_file_patch(path, contents[path], by_path[path]) for path in sorted(by_path))


def _file_patch(path: str, content: bytes, findings: list[Finding]) -> str:
    mended = bytearray()
    position = 0
    for finding in sorted(findings, key=lambda each: each.match.start_offset):
        match = finding.match
        if match.start_offset < position or match.fix is None:
            continue
        mended += content[position : match.start_offset] + match.fix.encode()
        position = match.end_offset
    mended += content[position:]
    try:
        before, after = content.decode(), mended.decode()
    except UnicodeDecodeError:
        return ""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
