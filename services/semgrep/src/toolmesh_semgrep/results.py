"""What is kept of a scanned file: its matches with all that reporting needs, without the file."""

import hashlib
import sys
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property

import msgspec

from toolmesh_semgrep.engine_output import FIX_TOO_LONG, FileFault, Match, TargetResult

_MOST_LINES_CHARACTERS = 2_000
_MOST_MESSAGE_CHARACTERS = 10_000
_MOST_FIX_CHARACTERS = 10_000
# Lines of a longer match tell one from another as they are: to normalise them costs too much.
_MOST_NORMALISED_BYTES = 20_000
_SUPPRESSION = "nosem"
_COMMENT_STARTS = ("#", "//", "/*", "<!--", "--", ";", "%")


class KeptMatch(msgspec.Struct, frozen=True, array_like=True):
    """A match. Lines and columns count from 1, columns in characters, offsets in bytes.

    `rule` is the rule's digest. `code` is a digest of the matched lines that stays the same when
    they move, are indented otherwise, or get a comment that suppresses. `kilobytes` is the memory
    that it takes, at least 1.
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
    kilobytes: int


class KeptFault(msgspec.Struct, frozen=True, array_like=True):
    """What went wrong with the file; `rule` is a rule's digest, empty for all rules."""

    rule: bytes
    reason: str


class FileResult(msgspec.Struct, frozen=True, array_like=True):
    """All that a set of rules found in a file."""

    matches: tuple[KeptMatch, ...] = ()
    faults: tuple[KeptFault, ...] = ()

    @property
    def kilobytes(self) -> int:
        """The memory that its matches take."""
        return sum(match.kilobytes for match in self.matches)

    def of_rules(self, rules: Collection[bytes]) -> "FileResult":
        """Return what these rules found, with the faults of the file as a whole."""
        return FileResult(
            tuple(match for match in self.matches if match.rule in rules),
            tuple(fault for fault in self.faults if not fault.rule or fault.rule in rules),
        )


class Content:
    """A file's content, for what is asked of it by line; what was asked before is known."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._shown: dict[tuple[int, int], tuple[str, bytes]] = {}

    @cached_property
    def _lines(self) -> list[bytes]:
        return self._content.split(b"\n")

    def column(self, line: int, column: int) -> int:
        """Return the column in characters of one in bytes, both from 1."""
        if self._content.isascii():
            return column
        before = self._lines[line - 1 : line] or [b""]
        return len(before[0][: column - 1].decode("utf-8", "replace")) + 1

    def lines(self, first: int, last: int) -> tuple[str, bytes]:
        """Return lines to be shown, cut where they are long, and a digest of all of them."""
        if (first, last) not in self._shown:
            text = b"\n".join(self._lines[first - 1 : last])
            shown = text[: 4 * _MOST_LINES_CHARACTERS].decode("utf-8", "replace")
            shown = shown[:_MOST_LINES_CHARACTERS].replace("\r\n", "\n").removesuffix("\r")
            self._shown[first, last] = (shown, _code_digest(text))
        return self._shown[first, last]


def kept_result(result: TargetResult, content: bytes, digests: Mapping[str, bytes]) -> FileResult:
    """Return what to keep of a result; `digests` has the rules' digests by their ids.

    A fix that is too long is left out, and a fault of its rule says so.
    """
    text = Content(content)
    matches: dict[tuple[object, ...], KeptMatch] = {}
    unfixed: dict[FileFault, None] = {}
    for match in result.matches:
        if match.fix is not None and len(match.fix) > _MOST_FIX_CHARACTERS:
            match = replace(match, fix=None)  # noqa: PLW2901
            unfixed[FileFault(match.rule, FIX_TOO_LONG)] = None
        kept = _kept_match(match, text, digests[match.rule])
        # The engine may report one place twice, with other metavariables.
        matches.setdefault((kept.rule, kept.start_offset, kept.end_offset, kept.message), kept)
    return FileResult(tuple(matches.values()), kept_faults((*result.faults, *unfixed), digests))


def kept_faults(
    faults: tuple[FileFault, ...], digests: Mapping[str, bytes]
) -> tuple[KeptFault, ...]:
    """Return what to keep of faults."""
    return tuple(KeptFault(digests.get(fault.rule, b""), fault.reason) for fault in faults)


def _kept_match(match: Match, text: Content, rule: bytes) -> KeptMatch:
    start, end = match.start, match.end
    lines, code = text.lines(start.line, end.line)
    message = match.message[:_MOST_MESSAGE_CHARACTERS]
    texts = (message, lines, match.fix or "")
    return KeptMatch(
        rule=rule,
        start_line=start.line,
        start_column=text.column(start.line, start.col),
        end_line=end.line,
        end_column=text.column(end.line, end.col),
        start_offset=start.offset,
        end_offset=end.offset,
        message=message,
        fix=match.fix,
        suppressed=match.suppressed,
        lines=lines,
        code=code,
        kilobytes=1 + sum(map(_memory_bytes, texts)) // 1000,
    )


def _memory_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    # All characters take as much as the widest, and UTF-8, once asked for, stays beside them.
    return sys.getsizeof(text + "\0") + len(text.encode("utf-8", "replace"))


def _code_digest(lines: bytes) -> bytes:
    if len(lines) <= _MOST_NORMALISED_BYTES:
        first, separator, rest = lines.decode("utf-8", "replace").partition("\n")
        code = textwrap.dedent(_without_suppression(first) + separator + rest)
        # Trailing blanks and carriage returns are no code.
        lines = "\n".join(line.rstrip() for line in code.splitlines()).strip().encode()
    return hashlib.sha256(lines).digest()[:16]


def _without_suppression(line: str) -> str:
    code, found, _ = line.partition(_SUPPRESSION)
    if not found:
        return line.rstrip()
    code = code.rstrip()
    start = next((start for start in _COMMENT_STARTS if code.endswith(start)), "")
    return code.removesuffix(start).rstrip() if start else line.rstrip()
