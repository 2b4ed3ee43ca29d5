"""Rule files that anybody may send."""

import time

import pytest

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.rule_text import TextUnreadableError, read_rule_text
from toolmesh_semgrep.rules import read_rules

_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 500_000, "nested deeper"),
        ("{a: " * 100_000, "nested deeper"),
        ("- " * 400_000, "nested deeper"),
        (_BOMB, "too large"),
        (f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]", "too large"),
        ("a: &a [*a]", "alias"),
        ("? [a]\n: b", "a key is a text"),
        ("a: !!python/object:os.system x", "the tag"),
        ("a: b\n---\nc: d", "more than one document"),
        ("a: [", "not YAML"),
        ("a: \0", "not YAML"),
    ],
)
def test_hostile_texts_are_refused_at_once(text: str, said: str) -> None:
    """Depth, size, references and tags end in an error, not in the end of the process."""
    begun = time.process_time()
    with pytest.raises(TextUnreadableError, match=said):
        read_rule_text(text)
    assert time.process_time() - begun < 5


def test_plain_words_mean_what_the_engine_takes_them_for() -> None:
    """Dates, `yes` and sums of sixties are texts; long numbers cost nothing."""
    text = "{a: yes, b: 2001-13-45, c: 1:30, d: true, e: 12, f: 1.5, g: '12', h: , i: .nan}"
    assert read_rule_text(text).document == {
        "a": "yes", "b": "2001-13-45", "c": "1:30", "d": True, "e": 12, "f": 1.5, "g": "12",
        "h": None, "i": ".nan",
    }  # fmt: skip
    digits = "9" * 10_000
    assert read_rule_text(f"a: {digits}").document == {"a": digits}
    assert read_rule_text("a: " + "1:" * 200_000 + "1").document["a"].startswith("1:1")


def test_rules_are_found_by_line_also_as_aliases() -> None:
    """Each item of `rules` has the line where it begins, however it is written."""
    read = read_rule_text("x: &x {id: a}\nrules:\n  - *x\n  - id: b\n    rules: [c]\n  - d\n")
    assert read.document["rules"] == [{"id": "a"}, {"id": "b", "rules": ["c"]}, "d"]
    assert read.lines == (3, 4, 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "we ird"}, "letters"),
        ({"id": "x" * 201}, "letters"),
        ({"mode": "join"}, "mode"),
        ({"validators": "[]"}, "validators"),
        ({"r2c-internal-project-depends-on": "{}"}, "depends-on"),
        ({"languages": "[[a]]"}, "no language"),
        ({"languages": "python"}, "list of `languages`"),
        ({"severity": "[]"}, "severity"),
        ({"message": "x" * 10_001}, "at most"),
        ({"message": "[]"}, "message"),
    ],
)
def test_rules_that_the_engine_would_stumble_over_are_named(
    change: dict[str, str], said: str
) -> None:
    """What would fail a whole run, or reach for the network, is refused with its line."""
    rule = {"id": "a", "languages": "[python]", "severity": "INFO", "message": "m"} | change
    text = "rules:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in rule.items())
    rules, (problem,) = read_rules(text, EngineLanguages.load())
    assert not rules
    assert said in problem.message
    assert problem.line == 2
