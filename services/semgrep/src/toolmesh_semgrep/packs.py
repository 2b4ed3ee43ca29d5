"""The rule packs that the service has: folders of rule files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.rules import Rule, read_rules


class PackUnreadableError(Exception):
    """A rule file of a pack cannot be used; the service does not start with half a pack."""


@dataclass(frozen=True, slots=True)
class Packs:
    """Rules by the name of their pack, which is the name of their folder."""

    by_name: Mapping[str, tuple[Rule, ...]]

    @classmethod
    def load(cls, folders: Iterable[Path], languages: EngineLanguages) -> "Packs":
        """Read every `<folder>/<pack>/**/*.yaml`; files beside them are for their tests.

        Raises:
            PackUnreadableError: a file has a problem, or two rules have the same id.
        """
        by_name: dict[str, tuple[Rule, ...]] = {}
        seen: dict[str, Path] = {}
        for folder in folders:
            for pack in sorted(path for path in folder.iterdir() if path.is_dir()):
                rules: list[Rule] = []
                for path in sorted(pack.rglob("*.yaml")):
                    if ".test." in path.name:
                        continue
                    rules += _read(path, languages, pack.name, seen)
                if rules:
                    known = by_name.get(pack.name, ())
                    by_name[pack.name] = tuple(sorted((*known, *rules), key=lambda rule: rule.id))
        return cls(by_name)

    def names(self) -> list[str]:
        """Return the names of the packs, sorted."""
        return sorted(self.by_name)

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules of all packs, by pack and id."""
        return tuple(rule for name in self.names() for rule in self.by_name[name])


def _read(
    path: Path, languages: EngineLanguages, pack: str, seen: dict[str, Path]
) -> tuple[Rule, ...]:
    rules, problems = read_rules(path.read_text("utf-8"), languages, pack=pack)
    if problems:
        first = problems[0]
        raise PackUnreadableError(f"{path}:{first.line}: {first.rule}: {first.message}")
    for rule in rules:
        if rule.id in seen:
            raise PackUnreadableError(f"{path}: the rule {rule.id} is in {seen[rule.id]} too")
        seen[rule.id] = path
    return rules
