"""Reads Semgrep rule files: which rules there are, for which languages, and what they say."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import yaml

from toolmesh_semgrep.engine_languages import EngineLanguages

_SEVERITIES = {
    "INFO": "INFO", "LOW": "INFO", "INVENTORY": "INFO", "EXPERIMENT": "INFO",
    "WARNING": "WARNING", "MEDIUM": "WARNING",
    "ERROR": "ERROR", "HIGH": "ERROR", "CRITICAL": "ERROR",
}  # fmt: skip


# Aliases let a few lines of YAML stand for gigabytes.
_MOST_NODES = 200_000


class Severity(IntEnum):
    """How bad a finding is, the worst last."""

    INFO = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule; line and column count from 1, 0 where they are not known."""

    rule: str
    message: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be given to the engine.

    Attributes:
        raw: the rule as the engine reads it.
        digest: the SHA-256 of `raw`, 16 bytes: rules with the same digest find the same.
        languages: the engine's names of the languages that it reads.
        reads_paths: true when what it finds depends on the file's path too.
    """

    id: str
    raw: dict[str, Any] = field(repr=False, compare=False)
    digest: bytes
    languages: frozenset[str]
    severity: Severity
    message: str
    pack: str = ""
    cwe: tuple[str, ...] = ()
    owasp: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def reads_paths(self) -> bool:
        """Whether the rule has `paths:`."""
        return "paths" in self.raw

    @property
    def fixable(self) -> bool:
        """Whether the rule says how to mend what it finds."""
        return "fix" in self.raw or "fix-regex" in self.raw


def read_rules(
    text: str, languages: EngineLanguages, *, pack: str = ""
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """Return the rules of a rule file, YAML or JSON, and what is wrong with the rest.

    Only the frame is looked at; whether the patterns can be read, the engine knows.
    """
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        if _expanded_size(node, {}) > _MOST_NODES:
            return (), (Problem("", "the text is too large once its aliases are written out"),)
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return (), (Problem("", f"not YAML: {error.problem or error.context}", *place),)
    except (yaml.YAMLError, RecursionError) as error:
        return (), (Problem("", f"not YAML: {str(error).splitlines()[0]}"),)
    entries = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        return (), (Problem("", "the text needs `rules:` with a list of rules in it", 1, 1),)
    lines = _lines_of(node, len(entries))
    rules: dict[str, Rule] = {}
    problems: list[Problem] = []
    for entry, line in zip(entries, lines, strict=True):
        read = _read_rule(entry, languages, pack, line)
        if isinstance(read, Problem):
            problems.append(read)
        elif read.id in rules:
            problems.append(Problem(read.id, f"a second rule with the id {read.id!r}", line, 1))
        else:
            rules[read.id] = read
    return tuple(rules.values()), tuple(problems)


def rules_document(rules: Sequence[Rule]) -> bytes:
    """Return the rules as the engine reads them from a file."""
    return json.dumps({"rules": [rule.raw for rule in rules]}).encode()


def _expanded_size(node: Any, known: dict[int, int]) -> int:
    """Count the nodes under a node, aliases written out; one inside itself counts as too many."""
    if isinstance(node, yaml.ScalarNode) or node is None:
        return 1
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # until it is known: it is inside itself
        size = 1
        for child in node.value:
            parts = child if isinstance(child, tuple) else (child,)
            size += sum(_expanded_size(part, known) for part in parts)
        known[id(node)] = size
    return known[id(node)]


def _lines_of(node: Any, count: int) -> list[int]:
    for key, value in node.value:
        if key.value == "rules" and isinstance(value, yaml.SequenceNode):
            return [item.start_mark.line + 1 for item in value.value]
    return [0] * count


def _read_rule(entry: Any, languages: EngineLanguages, pack: str, line: int) -> Rule | Problem:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
        return Problem("", "a rule needs an `id`", line, 1)
    if wrong := _fault_of(entry, languages):
        return Problem(entry["id"], wrong, line, 1)
    names = {
        language.name
        for language in map(languages.find, map(str, entry["languages"]))
        if language is not None
    }
    if "javascript" in names:  # as the engine's own command does
        names.add("typescript")
    raw = {**entry, "languages": sorted(names)}
    metadata = entry.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return Rule(
        id=entry["id"],
        raw=raw,
        digest=hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).digest()[:16],
        languages=frozenset(names),
        severity=Severity[_SEVERITIES[str(entry["severity"]).upper()]],
        message=entry["message"].strip(),
        pack=pack,
        cwe=_texts(metadata.get("cwe")),
        owasp=_texts(metadata.get("owasp")),
        references=_texts(metadata.get("references")),
    )


def _fault_of(entry: dict[str, Any], languages: EngineLanguages) -> str:
    """Say what is wrong with the frame of a rule; "" when nothing is."""
    named = entry.get("languages")
    unknown = (
        [name for name in named if languages.find(str(name)) is None]
        if isinstance(named, list)
        else []
    )
    faults = {
        f"rules of mode {entry.get('mode')!r} are not supported": entry.get("mode")
        in ("join", "extract", "steps"),
        "a rule needs a `message`": not isinstance(entry.get("message"), str),
        "`severity` is one of INFO, WARNING, ERROR": str(entry.get("severity")).upper()
        not in _SEVERITIES,
        "a rule needs a list of `languages`": not isinstance(named, list) or not named,
        f"no language {unknown[0]!r}" if unknown else "": bool(unknown),
        "a rule may hold text, numbers, lists and mappings alone": not _is_json(entry),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return False
    return True


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(str(item) for item in items)


def pattern_rule(pattern: str, language: str) -> tuple[Rule, str]:
    """Return a rule that finds a pattern, and the rule file that it would be read from."""
    raw = {
        "id": "pattern",
        "languages": [language],
        "message": "matches the pattern",
        "severity": "INFO",
        ("pattern-regex" if language == "regex" else "pattern"): pattern,
    }
    text = json.dumps({"rules": [raw]})
    rule = Rule(
        id="pattern",
        raw=raw,
        digest=hashlib.sha256(text.encode()).digest()[:16],
        languages=frozenset([language]),
        severity=Severity.INFO,
        message="matches the pattern",
    )
    return rule, text
