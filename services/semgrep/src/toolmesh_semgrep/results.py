"""What is kept of a scanned file: its matches with all that reporting needs, without the file."""

import hashlib
import re
import textwrap

import msgspec

from toolmesh_semgrep.engine import TargetResult

# A change of what is kept, or of the engine, makes what was kept before useless: count this up.
RESULT_VERSION = 1
_MOST_LINES_CHARACTERS = 2_000
_SUPPRESSION = re.compile(r"(?:#|//|/\*|<!--|--|;|%)?[ \t]*nosem(?:grep)?\b.*$", re.MULTILINE)


class KeptMatch(msgspec.Struct, frozen=True, array_like=True):
    """A match. Lines and columns count from 1, columns in characters, offsets in bytes.

    `rule` is the rule's digest. `code` is a digest of the matched lines that stays the same when
    they move, are indented otherwise, or get a comment that suppresses.
    """

    rule: bytes
    start_line: int
    start_column: int
    end_line: int
    end_column: int
    start_offset: int
    end_offset: int
    message: str
    fix: str | None
    suppressed: bool
    lines: str
    code: bytes


class KeptFault(msgspec.Struct, frozen=True, array_like=True):
    """What went wrong with the file; `rule` is a rule's digest, empty for all rules."""

    rule: bytes
    reason: str


class FileResult(msgspec.Struct, frozen=True, array_like=True):
    """All that a set of rules found in a file."""

    matches: tuple[KeptMatch, ...] = ()
    faults: tuple[KeptFault, ...] = ()


def kept_result(result: TargetResult, content: bytes, digests: dict[str, bytes]) -> FileResult:
    """Return what to keep of a result; `digests` has the rules' digests by their ids."""
    lines = content.split(b"\n")
    matches: dict[tuple[object, ...], KeptMatch] = {}
    for match in result.matches:
        text = b"\n".join(lines[match.start.line - 1 : match.end.line])
        shown = text.decode("utf-8", "replace")
        kept = KeptMatch(
            rule=digests[match.rule],
            start_line=match.start.line,
            start_column=match.start.col,
            end_line=match.end.line,
            end_column=match.end.col,
            start_offset=match.start.offset,
            end_offset=match.end.offset,
            message=match.message,
            fix=match.fix,
            suppressed=match.suppressed,
            lines=shown[:_MOST_LINES_CHARACTERS].replace("\r\n", "\n"),
            code=_code_digest(shown),
        )
        # The engine may report one place twice, with other metavariables.
        matches.setdefault((kept.rule, match.start.offset, match.end.offset, kept.message), kept)
    faults = tuple(KeptFault(digests.get(fault.rule, b""), fault.reason) for fault in result.faults)
    return FileResult(tuple(matches.values()), faults)


def _code_digest(lines: str) -> bytes:
    first, separator, rest = lines.partition("\n")
    code = _SUPPRESSION.sub("", first).rstrip() + separator + rest
    return hashlib.sha256(textwrap.dedent(code).strip().encode()).digest()[:16]
