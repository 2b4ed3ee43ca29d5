"""Which rules a request asks for."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from toolmesh_semgrep.engine import Engine
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.errors import LanguageUnknown, PackUnknown, RuleInvalid, ScanInvalid
from toolmesh_semgrep.packs import Packs
from toolmesh_semgrep.rules import PATTERN_ID, Problem, Rule, pattern_text, read_rules
from toolmesh_serving.errors import FieldViolation

_MOST_VIOLATIONS = 20
_MOST_RULES = 2000
_MOST_SAID_CHARACTERS = 200
# More than the longest text that a request may carry.
_MOST_KEPT_CHARACTERS = 2**22


@dataclass(frozen=True, slots=True)
class Choice:
    """What a request says about rules; all empty: all packs."""

    packs: Sequence[str] = ()
    rules: str = ""
    pattern: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """The rules of a text that can be used, and what is wrong with the others."""

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]


class RuleChooser:
    """Finds the rules that a request names, and reads those that it brings along."""

    def __init__(self, engine: Engine, packs: Packs, languages: EngineLanguages) -> None:
        self._engine = engine
        self._packs = packs
        self._languages = languages
        self._checked: OrderedDict[bytes, tuple[int, Checked]] = OrderedDict()

    async def choose(self, choice: Choice) -> tuple[Rule, ...]:
        """Return the rules, each id once: the request's own go before those of packs.

        Raises:
            PackUnknown, LanguageUnknown, RuleInvalid, ScanInvalid: the field at fault is named.
        """
        rules = {rule.id: rule for rule in self._of_packs(choice)}
        if choice.rules:
            checked = await self.check(choice.rules)
            if checked.problems:
                raise _invalid("rules", checked.problems)
            rules.update((rule.id, rule) for rule in checked.rules)
        if choice.pattern:
            rule = await self._of_pattern(choice)
            if rule.id in rules:
                raise ScanInvalid.at("rules", f"{PATTERN_ID!r} is the id of the rule of `pattern`")
            rules[rule.id] = rule
        elif choice.language:
            raise ScanInvalid.at("language", "it is the language of `pattern`, which is missing")
        if len(rules) > _MOST_RULES:
            raise ScanInvalid.at("rules", f"a scan takes {_MOST_RULES} rules at most")
        return tuple(rules.values())

    async def check(self, text: str) -> Checked:
        """Return which rules of a rule file can be used, and what is wrong on which line.

        Raises:
            EngineFailed: the engine cannot be started.
        """
        digest = hashlib.sha256(text.encode()).digest()
        if digest in self._checked:
            self._checked.move_to_end(digest)
        else:
            self._remember(digest, len(text), await self._check(text))
        return self._checked[digest][1]

    def _remember(self, digest: bytes, size: int, checked: Checked) -> None:
        """Keep what was read, so that a scan whose rules and files are known starts no engine."""
        self._checked[digest] = (size, checked)
        while sum(size for size, _ in self._checked.values()) > _MOST_KEPT_CHARACTERS:
            self._checked.popitem(last=False)

    async def _check(self, text: str) -> Checked:
        rules, problems = await asyncio.to_thread(read_rules, text, self._languages)
        if len(rules) > _MOST_RULES:
            return Checked((), (Problem("", f"more than {_MOST_RULES} rules"),))
        if not rules:
            return Checked((), problems)
        found = await self._engine.check(rules)
        bad = {problem.rule for problem in found}
        good = () if "" in bad else tuple(rule for rule in rules if rule.id not in bad)
        return Checked(good, (*problems, *found))

    def _of_packs(self, choice: Choice) -> tuple[Rule, ...]:
        if not choice.packs:
            return () if choice.rules or choice.pattern else self._packs.rules()
        rules: list[Rule] = []
        for index, name in enumerate(choice.packs):
            if name not in self._packs.by_name:
                raise PackUnknown.at(f"packs[{index}]", name, self._packs.names())
            rules += self._packs.by_name[name]
        return tuple(rules)

    async def _of_pattern(self, choice: Choice) -> Rule:
        if not choice.language:
            raise ScanInvalid.at("language", "say which language `pattern` is in")
        language = self._languages.find(choice.language)
        if language is None:
            raise LanguageUnknown.at("language", choice.language, self._languages)
        checked = await self.check(pattern_text(choice.pattern, language.name))
        if checked.problems:
            said = [Problem("", problem.message) for problem in checked.problems]
            raise _invalid("pattern", said)
        return checked.rules[0]


def _invalid(field: str, problems: Sequence[Problem]) -> RuleInvalid:
    said = [
        (f"line {problem.line}: " if problem.line else "")
        + (f"{problem.rule}: " if problem.rule else "")
        + problem.message
        for problem in problems[:_MOST_VIOLATIONS]
    ]
    # A failure travels in headers, which are short.
    said = [each[:_MOST_SAID_CHARACTERS] for each in said]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RuleInvalid(
        f"{field} cannot be used: {said[0]}{more}",
        field_violations=[FieldViolation(field, each) for each in said],
        metadata={"line": str(problems[0].line)} if problems[0].line else {},
    )
