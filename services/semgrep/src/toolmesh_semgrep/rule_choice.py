"""Which rules a request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from toolmesh_semgrep.engine import Engine
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.errors import LanguageUnknown, PackUnknown, RuleInvalid, ScanInvalid
from toolmesh_semgrep.packs import Packs
from toolmesh_semgrep.rules import Problem, Rule, pattern_rule, read_rules
from toolmesh_serving.errors import FieldViolation

_MOST_VIOLATIONS = 20
_MOST_RULES = 2000


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
        rules, problems = read_rules(text, self._languages)
        if not rules:
            return Checked((), problems)
        known = {problem.rule for problem in problems}
        found = [each for each in await self._engine.check(text) if each.rule not in known]
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
            raise LanguageUnknown.at("language", choice.language)
        rule, text = pattern_rule(choice.pattern, language.name)
        if problems := await self._engine.check(text):
            raise _invalid("pattern", [Problem("", problem.message) for problem in problems])
        return rule


def _invalid(field: str, problems: Sequence[Problem]) -> RuleInvalid:
    said = [
        (f"line {problem.line}: " if problem.line else "")
        + (f"{problem.rule}: " if problem.rule else "")
        + problem.message
        for problem in problems[:_MOST_VIOLATIONS]
    ]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RuleInvalid(
        f"{field} cannot be used: {said[0]}{more}",
        field_violations=[FieldViolation(field, each) for each in said],
        metadata={"line": str(problems[0].line)} if problems[0].line else {},
    )
