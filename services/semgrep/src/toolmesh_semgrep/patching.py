"""Makes one patch of the fixes that findings carry."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from toolmesh_semgrep.reporting import Finding

_CONTEXT_LINES = 3
# So that the patch of any one fix fits into an answer: lines may be as long as the file.
_MOST_LINES_BYTES = 20_000
# What a name in a patch's head cannot hold as it is: as in C, which git and patch read.
_ESCAPED = {code: f"\\{code:03o}" for code in (*range(32), 127)} | {
    ord(sign): f"\\{sign}" for sign in '"\\'
}


@dataclass(slots=True)
class _Change:
    """Lines that become others: from `first` to before `last`, counted from 0."""

    first: int
    last: int
    new: bytes


def make_patch(findings: Iterable[Finding], contents: Mapping[str, bytes]) -> str:
    """Return a unified diff that applies the fixes; of fixes that overlap, the first.

    `contents` has the files by path; a file that is not there, or is not UTF-8, is left as it is,
    and so are lines that have over 20,000 bytes with those around them. It takes time in proportion
    to the files: which lines change is known, nothing is compared.
    """
    by_path: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.match.fix is not None and finding.path in contents:
            by_path[finding.path].append(finding)
    return "".join(_file_patch(path, contents[path], by_path[path]) for path in sorted(by_path))


def _file_patch(path: str, content: bytes, findings: Iterable[Finding]) -> str:
    lines = _lines(content)
    hunks = b"".join(_hunks(lines, _changes(content, lines, findings)))
    try:
        return f"--- {_name('a', path)}\n+++ {_name('b', path)}\n{hunks.decode()}" if hunks else ""
    except UnicodeDecodeError:
        return ""


def _name(side: str, path: str) -> str:
    """Return a name for a patch's head, quoted where a line cannot hold it as it is."""
    escaped = path.translate(_ESCAPED)
    quoted = escaped != path or path.endswith(" ")
    name = f'"{side}/{escaped}"' if quoted else f"{side}/{path}"
    # Without the tab, a name with blanks would end at the first.
    return f"{name}\t" if " " in path else name


def _changes(content: bytes, lines: Sequence[bytes], findings: Iterable[Finding]) -> list[_Change]:
    """Return what the fixes make of the lines that they touch, those of one line together."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    changes: list[_Change] = []
    done = 0
    for finding in sorted(findings, key=lambda each: each.match.start_offset):
        match = finding.match
        if match.start_offset < done or match.fix is None:
            continue
        # A match at the end of a file may be said to be on the line after the last.
        first, last = min(match.start_line - 1, len(lines)), min(match.end_line, len(lines))
        around = max(0, first - _CONTEXT_LINES), min(last + _CONTEXT_LINES, len(lines))
        if starts[around[1]] - starts[around[0]] > _MOST_LINES_BYTES:
            continue
        if changes and first <= changes[-1].last:
            change = changes[-1]
            # Take back the rest of the line, which was added after the fix before.
            change.new = change.new[: len(change.new) - (starts[change.last] - done)]
            change.new += content[done : match.start_offset]
        else:
            change = _Change(first, last, content[starts[first] : match.start_offset])
            changes.append(change)
        change.last = max(change.last, last)
        done = match.end_offset
        change.new += match.fix.encode() + content[done : starts[change.last]]
    return changes


def _hunks(lines: Sequence[bytes], changes: Sequence[_Change]) -> Iterator[bytes]:
    """Yield hunks, changes whose context meets in one."""
    group: list[_Change] = []
    shift = 0
    for change in changes:
        if group and change.first - group[-1].last > 2 * _CONTEXT_LINES:
            hunk, grown = _hunk(lines, group, shift)
            yield hunk
            shift += grown
            group = []
        group.append(change)
    if group:
        yield _hunk(lines, group, shift)[0]


def _hunk(lines: Sequence[bytes], changes: Sequence[_Change], shift: int) -> tuple[bytes, int]:
    """Return a hunk, and how many lines it adds; `shift` is how many those before it added."""
    begin = max(0, changes[0].first - _CONTEXT_LINES)
    end = min(len(lines), changes[-1].last + _CONTEXT_LINES)
    body: list[bytes] = []
    grown = 0
    at = begin
    for change in changes:
        new = _lines(change.new)
        body += [b" " + line for line in lines[at : change.first]]
        body += [b"-" + line for line in lines[change.first : change.last]]
        body += [b"+" + line for line in new]
        grown += len(new) - (change.last - change.first)
        at = change.last
    body += [b" " + line for line in lines[at:end]]
    old, new_count = end - begin, end - begin + grown
    head = f"@@ -{_span(begin, old)} +{_span(begin + shift, new_count)} @@\n".encode()
    marked = (
        line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"
        for line in body
    )
    return head + b"".join(marked), grown


def _span(begin: int, count: int) -> str:
    # As diff writes it: an empty span is named by the line before it, a lone line without a count.
    if count == 1:
        return str(begin + 1)
    return f"{begin + 1 if count else begin},{count}"


def _lines(content: bytes) -> list[bytes]:
    """Cut at line feeds alone, as patch does; each line keeps its own."""
    lines = content.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])
