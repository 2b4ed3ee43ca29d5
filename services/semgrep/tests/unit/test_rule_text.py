"""Rule files that anybody may send."""

import json
import time

import pytest

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.rule_text import TextUnreadableError, read_rule_text, write_out
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
        ("a: b\nc: d\na: e", "the key 'a' is there twice"),
        ("<<: [1]", "takes a mapping"),
        (f"{_BOMB}x: {{<<: [*i]}}", "too large"),
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
    assert read_rule_text(text) == {
        "a": "yes", "b": "2001-13-45", "c": "1:30", "d": True, "e": 12, "f": 1.5, "g": "12",
        "h": None, "i": ".nan",
    }  # fmt: skip
    digits = "9" * 10_000
    assert read_rule_text(f"a: {digits}") == {"a": digits}
    assert read_rule_text("a: " + "1:" * 200_000 + "1")["a"].startswith("1:1")


def test_json_is_read_as_it_is_written() -> None:
    """Also with escapes that YAML does not know, and what only looks like them."""
    document = {"a": ["😀é/\u2028\t", "\\ud83d\\ude00", "\\😀", 1, 1.5, None, True], "b": {}}
    assert read_rule_text(json.dumps(document)) == document
    assert read_rule_text(json.dumps(document, ensure_ascii=False, indent=2)) == document
    for text in ('{"a": "\\ud83d"}', '{"a": "\\ud83d\\udezz"}', "{" + "\\" * 900_000):
        with pytest.raises(TextUnreadableError, match="not YAML"):
            read_rule_text(text)
    block = "a: |\n  \\ud83d\\ude00\n"
    assert read_rule_text(block) == {"a": "\\ud83d\\ude00\n"}


def test_aliases_and_merged_mappings_are_written_out() -> None:
    """An alias is what it stands for, `<<` adds what the mapping lacks; `"<<"` is a key."""
    text = """
common: &common {languages: [python], severity: INFO, message: m}
louder: &louder {severity: ERROR, metadata: {a: 1}}
rules:
  - <<: *common
    id: a
    severity: WARNING
  - {<<: [*louder, *common], id: b}
  - &c {"<<": 1}
  - *c
"""
    a, b, c, again = read_rule_text(text)["rules"]
    assert a == {"id": "a", "languages": ["python"], "severity": "WARNING", "message": "m"}
    assert b["severity"] == "ERROR"
    assert (b["message"], b["metadata"]) == ("m", {"a": 1})
    assert c == again == {"<<": 1}


def test_every_line_written_out_is_known_by_its_place_in_the_text() -> None:
    """What the engine says of a line of JSON is told of the text, also through aliases."""
    text = "x: &x\n  - one\n  - {k: [], l: [two]}\nrules:\n  - *x\n  - id: three\n"
    document = read_rule_text(text)
    written = write_out({"rules": document["rules"]})
    lines = written.text.splitlines()
    assert len(written.places) == len(lines)
    places = {line.strip(","): written.places[number] for number, line in enumerate(lines)}
    assert places['"one"'] == ((2, 5), (2, 5))
    assert places['"k": []'] == ((3, 6), (3, 9))
    assert places['"two"'] == ((3, 17), (3, 17))
    assert places['"id": "three"'] == ((6, 5), (6, 9))
    assert document["rules"].places == [(5, 5), (6, 5)]
    assert written.origin(len(lines) + 1, 1) == (0, 0)


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
