"""Reads Semgrep rule files: which rules there are, for which languages, and what they say."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import IntEnum
from typing import Any

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.rule_text import (
    Place,
    PlacedList,
    PlacedMapping,
    TextUnreadableError,
    read_rule_text,
)
from toolmesh_serving.unknown_names import did_you_mean

_SEVERITIES = {
    "INFO": "INFO", "LOW": "INFO", "INVENTORY": "INFO", "EXPERIMENT": "INFO",
    "WARNING": "WARNING", "MEDIUM": "WARNING",
    "ERROR": "ERROR", "HIGH": "ERROR", "CRITICAL": "ERROR",
}  # fmt: skip

# What the engine takes for an id.
_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
_MOST_MESSAGE_CHARACTERS = 10_000
# Of what every finding repeats of a rule, as JSON.
_MOST_METADATA_CHARACTERS = 10_000
_REPEATED_METADATA = ("cwe", "owasp", "references")
# They need what is not in the file: the network, or what a lock file says.
_FOREIGN_KEYS = ("validators", "r2c-internal-project-depends-on", "dependencies")
# Without one of them a rule finds nothing.
_PATTERN_KEYS = (
    "pattern", "patterns", "pattern-either", "pattern-regex", "pattern-sources", "pattern-sinks",
)  # fmt: skip
# How much of a key must be like another one, of 1, to be it with a typing error.
_TYPING_ERROR = 0.8
PATTERN_ID = "pattern"


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
        place: where it begins in the text that it was read from.
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
    place: Place = field(default=(0, 0), repr=False, compare=False)

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
        document = read_rule_text(text)
    except TextUnreadableError as error:
        return (), (Problem("", str(error), error.line, error.column),)
    entries = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        return (), (Problem("", "the text needs `rules:` with a list of rules in it", 1, 1),)
    rules: dict[str, Rule] = {}
    problems: list[Problem] = []
    for entry, place in zip(entries, entries.places, strict=True):
        rule = _read_rule(entry, languages, pack=pack, place=place)
        if isinstance(rule, Problem):
            problems.append(rule)
        elif rule.id in rules:
            problems.append(Problem(rule.id, f"a second rule with the id {rule.id!r}", *place))
        else:
            rules[rule.id] = rule
    return tuple(rules.values()), tuple(problems)


def rules_document(rules: Sequence[Rule]) -> dict[str, Any]:
    """Return the rules as a file of rules has them."""
    entries = PlacedList()
    entries.extend(rule.raw for rule in rules)
    entries.places.extend(rule.place for rule in rules)
    return {"rules": entries}


def pointed_at_key(problem: Problem, rules: Mapping[str, Rule]) -> Problem:
    """Return what the engine says of a whole rule, by its id, of the key that is mistyped in it.

    The engine passes over keys that it does not know, and then misses those that they should be.
    """
    rule = rules.get(problem.rule)
    if rule is None or (problem.line, problem.column) != rule.place:
        return problem
    places = rule.raw.places if isinstance(rule.raw, PlacedMapping) else {}
    for key, (place, _) in places.items():
        near = get_close_matches(key[:50], _PATTERN_KEYS, n=1, cutoff=_TYPING_ERROR)
        if near and near[0] != key:
            message = f"unknown key {key[:50]!r}; did you mean {near[0]!r}? {problem.message}"
            return Problem(problem.rule, message, *place)
    return problem


def _read_rule(
    entry: Any, languages: EngineLanguages, *, pack: str, place: Place
) -> Rule | Problem:
    if not isinstance(entry, PlacedMapping) or not _ID.fullmatch(str(entry.get("id", ""))):
        return Problem("", "a rule needs an `id` of letters, digits, `.`, `_` and `-`", *place)
    entry = entry.changed(id=str(entry["id"]))
    if wrong := _fault_of(entry, languages):
        return Problem(entry["id"], wrong, *place)
    names = {
        language.name
        for language in map(languages.find, map(str, entry["languages"]))
        if language is not None
    }
    if "javascript" in names:  # as the engine's own command does
        names.add("typescript")
    message = entry["message"]
    raw = entry.changed(languages=sorted(names))
    cwe, owasp, references = _metadata(entry)
    return Rule(
        id=entry["id"],
        raw=raw,
        digest=hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).digest()[:16],
        languages=frozenset(names),
        severity=Severity[_SEVERITIES[str(entry["severity"]).upper()]],
        message=message.strip(),
        pack=pack,
        cwe=cwe,
        owasp=owasp,
        references=references,
        place=place,
    )


def _fault_of(entry: dict[str, Any], languages: EngineLanguages) -> str:
    """Say what is wrong with the frame of a rule; "" when nothing is."""
    named = entry.get("languages")
    named = list(map(str, named)) if isinstance(named, list) else []
    unknown = [name for name in named if languages.find(name) is None]
    message = entry.get("message")
    foreign = [key for key in _FOREIGN_KEYS if key in entry]
    faults = {
        f"rules of mode {entry.get('mode')!r} are not supported": entry.get("mode")
        in ("join", "extract", "steps"),
        f"`{foreign[0]}` is not supported: a file is looked at by itself" if foreign else "": bool(
            foreign
        ),
        "a rule needs a `message`": not isinstance(message, str),
        f"a `message` has at most {_MOST_MESSAGE_CHARACTERS} characters": len(str(message))
        > _MOST_MESSAGE_CHARACTERS,
        "`cwe`, `owasp` and `references` of a rule have at most"
        f" {_MOST_METADATA_CHARACTERS} characters": len(
            json.dumps(_metadata(entry), ensure_ascii=False)
        )
        > _MOST_METADATA_CHARACTERS,
        "`severity` is one of INFO, WARNING, ERROR": str(entry.get("severity")).upper()
        not in _SEVERITIES,
        "a rule needs a list of `languages`": not named,
        _no_language(unknown[0], languages) if unknown else "": bool(unknown),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def _metadata(entry: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    metadata = entry.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    return tuple(_texts(known.get(key)) for key in _REPEATED_METADATA)


def _no_language(name: str, languages: EngineLanguages) -> str:
    hint = did_you_mean(name, [*languages.names, *languages.aliases])
    return f"no language {name[:50]!r}{hint}"


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(str(item) for item in items)


def pattern_text(pattern: str, language: str) -> str:
    """Return the rule file with the one rule that finds a pattern; its id is `pattern`."""
    rule = {
        "id": PATTERN_ID,
        "languages": [language],
        "message": "matches the pattern",
        "severity": "INFO",
        ("pattern-regex" if language == "regex" else "pattern"): pattern,
    }
    return json.dumps({"rules": [rule]}, ensure_ascii=False)
