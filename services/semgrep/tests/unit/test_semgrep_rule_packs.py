"""The rules of our own: each finds what its test file says it finds, there and nowhere else."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from toolmesh_semgrep.engine import Engine, Patience
from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.engine_process import EngineLimits, EngineProcesses, Target
from toolmesh_semgrep.rules import Rule, read_rules
from toolmesh_semgrep.settings import Settings

_RULES = Path(__file__).parents[2] / "rules"
_FILES = sorted(_RULES.rglob("*.yaml"))
_PREFIXES = {"python": "python-", "javascript": "javascript-", "go": "go-", "java": "java-"}
_ANNOTATION = re.compile(r"(?:#|//|/\*|<!--)\s*(ruleid|ok):\s*([\w-]+(?:\s*,\s*[\w-]+)*)")
_LEAST_RULES = 120
_LEAST_WORDS = 12
_CWE = re.compile(r"CWE-\d+: \w.*")
_OWASP = re.compile(r"A(?:0[1-9]|10):2021 - \w.*")

_Places = set[tuple[str, str, int]]


@pytest.fixture(scope="module")
def languages() -> EngineLanguages:
    """The languages of the engine."""
    return EngineLanguages.load()


def _name(path: Path) -> str:
    return str(path.relative_to(_RULES).with_suffix(""))


def _rules_of(path: Path, languages: EngineLanguages) -> tuple[Rule, ...]:
    rules, problems = read_rules(path.read_text("utf-8"), languages, pack=path.parent.name)
    assert not problems
    return rules


def _tests_of(path: Path) -> list[Path]:
    beside = path.parent.glob(f"{path.stem}.*")
    return sorted(each for each in beside if each != path and ".fixed." not in each.name)


def _annotated(path: Path) -> dict[str, _Places]:
    """Return the places (file, rule, line) that must be found ("ruleid"), or must not ("ok")."""
    places: defaultdict[str, _Places] = defaultdict(set)
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if said := _ANNOTATION.search(line):
            for rule in re.split(r"\s*,\s*", said[2]):
                places[said[1]].add((path.name, rule, number + 1))
    return places


async def _found(
    rules: tuple[Rule, ...], paths: list[Path], languages: EngineLanguages, *, folder: Path
) -> tuple[_Places, list[str]]:
    """Return the places where the engine finds something, and what it could not do."""
    spoken = frozenset[str]().union(*(rule.languages for rule in rules))
    targets = [
        Target(path.name, language, path.read_bytes())
        for path in paths
        for language in languages.of_path(path.name)
        if language in spoken
    ]
    settings = Settings()
    # Patient, since other tests may want the machine too.
    limits = EngineLimits(memory_bytes=settings.semgrep_memory_bytes, rule_seconds=30)
    processes = EngineProcesses(limits, folder=folder, most_at_once=1)
    engine = Engine(processes, limits, batch_seconds=settings.semgrep_batch_seconds)
    results = await engine.run(rules, targets, Patience.of(300))
    places = {
        (target.path, match.rule, match.start.line)
        for target, result in zip(targets, results, strict=True)
        for match in result.matches
    }
    faults = [
        f"{target.path}: {fault.rule} {fault.reason}"
        for target, result in zip(targets, results, strict=True)
        for fault in result.faults
    ]
    return places, faults


@pytest.mark.parametrize("path", _FILES, ids=_name)
async def test_rules_find_what_their_test_files_say(
    path: Path, languages: EngineLanguages, tmp_path: Path
) -> None:
    """The lines below `ruleid:` are found, and no other line is."""
    expected: _Places = set()
    for test in _tests_of(path):
        expected |= _annotated(test)["ruleid"]
    found, faults = await _found(
        _rules_of(path, languages), _tests_of(path), languages, folder=tmp_path / "engine"
    )
    assert not faults
    assert sorted(found - expected) == []
    assert sorted(expected - found) == []


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_every_rule_has_a_positive_and_a_negative(path: Path, languages: EngineLanguages) -> None:
    """A rule is tried on what it must find and on the like of it that it must leave alone."""
    ids = {rule.id for rule in _rules_of(path, languages)}
    tried: defaultdict[str, set[str]] = defaultdict(set)
    for test in _tests_of(path):
        for kind, places in _annotated(test).items():
            tried[kind] |= {rule for _, rule, _ in places}
    assert tried["ruleid"] == ids
    assert tried["ok"] == ids


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_every_fix_is_tried(path: Path, languages: EngineLanguages) -> None:
    """Each place in a test file that a rule can mend is mended in the file beside it."""
    fixing = {rule.id for rule in _rules_of(path, languages) if rule.fixable}
    for test in _tests_of(path):
        lines = test.read_text("utf-8").splitlines()
        fixed = test.with_name(f"{path.stem}.fixed{test.suffix}")
        mended = fixed.read_text("utf-8").splitlines() if fixed.exists() else lines
        changed = {
            number
            for number, pair in enumerate(zip(lines, mended, strict=True), 1)
            if pair[0] != pair[1]
        }
        found = _annotated(test)["ruleid"]
        assert changed == {line for _, rule, line in found if rule in fixing}


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_every_rule_says_what_to_know(path: Path, languages: EngineLanguages) -> None:
    """A rule has a good id, a message that helps, weakness numbers, references and confidence."""
    for rule in _rules_of(path, languages):
        assert rule.id.startswith(_PREFIXES.get(rule.pack, f"{rule.pack}-")), rule.id
        assert len(rule.message.split()) >= _LEAST_WORDS, rule.id
        assert rule.message.endswith("."), rule.id
        # The engine would put in there what a regular expression's group found.
        assert not re.search(r"\$[0-9]", rule.message), rule.id
        assert rule.cwe, rule.id
        assert all(_CWE.fullmatch(cwe) for cwe in rule.cwe), rule.id
        assert rule.owasp, rule.id
        assert all(_OWASP.fullmatch(owasp) for owasp in rule.owasp), rule.id
        assert rule.references, rule.id
        assert all(each.startswith("https://") for each in rule.references), rule.id
        assert rule.raw["metadata"]["confidence"] in {"LOW", "MEDIUM", "HIGH"}, rule.id


def test_packs_are_large_and_ids_are_unique() -> None:
    """There are as many rules as promised, and no id is used twice."""
    ids = [rule["id"] for path in _FILES for rule in yaml.safe_load(path.read_text())["rules"]]
    assert len(ids) >= _LEAST_RULES
    assert len(ids) == len(set(ids))
