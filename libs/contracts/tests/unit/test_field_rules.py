"""Field rules: what a message may hold."""

from collections.abc import Callable
from typing import Any

import pytest

from toolmesh_contracts.contract import Contract
from toolmesh_contracts.field_rules import FieldRules, RuleError

Compile = Callable[[str], tuple[dict[str, Any], Any]]

RULED = """
message Item {
  string name = 1 [(toolmesh.options.v1.rules) = {required: true, max_len: 3}];
  string code = 2 [(toolmesh.options.v1.rules).pattern = "[a-z]+"];
}
message Request {
  string text = 1 [(toolmesh.options.v1.rules) = {required: true, min_len: 2, max_len: 4}];
  string code = 2 [(toolmesh.options.v1.rules).pattern = "[a-z]+|[0-9]+"];
  bytes blob = 3 [(toolmesh.options.v1.rules) = {min_len: 2, max_len: 4}];
  int64 count = 4 [(toolmesh.options.v1.rules) = {min: 1, max: 10}];
  double share = 5 [(toolmesh.options.v1.rules) = {min: 0.5, max: 1}];
  float low = 6 [(toolmesh.options.v1.rules).min = -1];
  double high = 7 [(toolmesh.options.v1.rules).max = 1];
  optional string nick = 8 [(toolmesh.options.v1.rules) = {required: true, min_len: 1}];
  Item item = 9 [(toolmesh.options.v1.rules).required = true];
  repeated string tags = 10 [(toolmesh.options.v1.rules) = {max_items: 2, max_len: 3}];
  repeated Item items = 11 [(toolmesh.options.v1.rules).max_items = 3];
  repeated int32 needed = 12 [(toolmesh.options.v1.rules).required = true];
  repeated int32 pairs = 13 [(toolmesh.options.v1.rules) = {required: true, min_items: 2}];
  repeated int32 many = 14 [(toolmesh.options.v1.rules).min_items = 1];
  map<string, Item> by_name = 15 [(toolmesh.options.v1.rules).max_items = 2];
  map<string, string> labels = 16 [(toolmesh.options.v1.rules).max_len = 3];
  oneof choice {
    string left = 17 [(toolmesh.options.v1.rules).min_len = 2];
    Item right = 18;
  }
  string free = 19;
  bool agreed = 20 [(toolmesh.options.v1.rules).required = true];
}
"""

GOOD: dict[str, Any] = {
    "text": "abc",
    "code": "abc",
    "blob": b"abc",
    "count": 10,
    "share": 0.5,
    "nick": "x",
    "item": {"name": "abc"},
    "tags": ["a", "abc"],
    "items": [{"name": "a"}],
    "needed": [0],
    "pairs": [1, 2],
    "many": [0],
    "labels": {"a long key": "abc"},
    "agreed": True,
}


def violations(kind: Any, values: dict[str, Any]) -> dict[str, str]:
    """What the rules of a message class say of such a message, by field."""
    rules = FieldRules(kind.DESCRIPTOR)
    return {found.field: found.description for found in rules.violations(kind(**values))}


def test_a_message_that_keeps_all_rules_has_no_violation(compile_messages: Compile) -> None:
    """Values on the edge of their rules pass."""
    kinds, _ = compile_messages(RULED)

    assert violations(kinds["Request"], GOOD) == {}


@pytest.mark.parametrize(
    ("change", "field", "description"),
    [
        ({"text": ""}, "text", "is required"),
        ({"text": "a"}, "text", "has 1 characters, at least 2"),
        ({"text": "abcde"}, "text", "has 5 characters, at most 4"),
        ({"text": "\U0001f99c" * 4}, None, None),
        ({"code": "ab1"}, "code", "must match [a-z]+|[0-9]+"),
        ({"code": "ab\n"}, "code", "must match [a-z]+|[0-9]+"),
        ({"code": ""}, None, None),
        ({"blob": b"a"}, "blob", "has 1 bytes, at least 2"),
        ({"blob": b"abcde"}, "blob", "has 5 bytes, at most 4"),
        ({"count": 11}, "count", "is 11, must be at least 1 and at most 10"),
        ({"count": -1}, "count", "is -1, must be at least 1 and at most 10"),
        (
            {"count": 2**63 - 1},
            "count",
            "is 9.22337203685478e+18, must be at least 1 and at most 10",
        ),
        ({"count": 0}, None, None),
        ({"share": 0.4}, "share", "is 0.4, must be at least 0.5 and at most 1"),
        ({"share": float("nan")}, "share", "is nan, must be at least 0.5 and at most 1"),
        ({"share": float("inf")}, "share", "is inf, must be at least 0.5 and at most 1"),
        ({"low": -2.0}, "low", "is -2, must be at least -1"),
        ({"low": float("nan")}, "low", "is nan, must be at least -1"),
        ({"low": 1e30}, None, None),
        ({"high": 2.0}, "high", "is 2, must be at most 1"),
        ({"nick": None}, "nick", "is required"),
        ({"nick": ""}, "nick", "has 0 characters, at least 1"),
        ({"item": None}, "item", "is required"),
        ({"item": {}}, "item.name", "is required"),
        ({"item": {"name": "a", "code": "A"}}, "item.code", "must match [a-z]+"),
        ({"tags": ["a", "b", "c"]}, "tags", "has 3 items, at most 2"),
        ({"tags": ["a", "abcd"]}, "tags[1]", "has 4 characters, at most 3"),
        (
            {"items": [{"name": "a"}, {"name": "abcd"}]},
            "items[1].name",
            "has 4 characters, at most 3",
        ),
        ({"needed": []}, "needed", "needs at least 1 item"),
        ({"pairs": [1]}, "pairs", "needs at least 2 items"),
        ({"many": []}, "many", "needs at least 1 item"),
        ({"by_name": {"x": {}}}, "by_name[x].name", "is required"),
        ({"by_name": {key: {"name": "a"} for key in "abc"}}, "by_name", "has 3 items, at most 2"),
        ({"labels": {"k": "abcd"}}, "labels[k]", "has 4 characters, at most 3"),
        ({"left": "a"}, "left", "has 1 characters, at least 2"),
        ({"right": {}}, "right.name", "is required"),
        ({"agreed": False}, "agreed", "is required"),
    ],
)
def test_a_broken_rule_is_told_with_its_field(
    compile_messages: Compile,
    change: dict[str, Any],
    field: str | None,
    description: str | None,
) -> None:
    """Each kind of rule names the field by its path and says what to do."""
    kinds, _ = compile_messages(RULED)
    given = {key: value for key, value in (GOOD | change).items() if value is not None}
    expected = {} if field is None else {field: description}

    assert violations(kinds["Request"], given) == expected


def test_all_broken_rules_are_told_in_field_order(compile_messages: Compile) -> None:
    """One answer names every field at fault."""
    kinds, _ = compile_messages(RULED)

    assert list(violations(kinds["Request"], {"count": 11})) == [
        "text",
        "count",
        "nick",
        "item",
        "needed",
        "pairs",
        "many",
        "agreed",
    ]


def test_a_list_that_is_too_long_is_not_looked_at(compile_messages: Compile) -> None:
    """A list past its limit costs one violation, whatever its items are."""
    kinds, _ = compile_messages(RULED)
    given = GOOD | {"items": [{"name": "much too long"}] * 100_000}

    assert violations(kinds["Request"], given) == {"items": "has 100000 items, at most 3"}


def test_no_more_violations_are_found_than_wanted(compile_messages: Compile) -> None:
    """Who is told of the first violations of a huge message does not pay for the rest."""
    kinds, _ = compile_messages(
        "message Request { repeated int32 n = 1 [(toolmesh.options.v1.rules).max = 0]; }"
    )
    rules, message = FieldRules(kinds["Request"].DESCRIPTOR), kinds["Request"](n=[1] * 100_000)

    assert [found.field for found in rules.violations(message, limit=2)] == ["n[0]", "n[1]"]
    assert len(rules.violations(message)) == 20


@pytest.mark.parametrize("order", ["tree first", "rule first"])
def test_a_type_that_holds_itself_is_checked_at_every_depth(
    compile_messages: Compile, order: str
) -> None:
    """Recursion in the type does not hide a rule, wherever the rule stands."""
    fields = [
        "repeated Tree children = 1;",
        "string name = 2 [(toolmesh.options.v1.rules).max_len = 3];",
    ]
    if order == "rule first":
        fields.reverse()
    kinds, _ = compile_messages(f"message Tree {{ {' '.join(fields)} }}")
    tree = {"children": [{"children": [{"name": "abcd"}]}]}

    assert list(violations(kinds["Tree"], tree)) == ["children[0].children[0].name"]


def test_types_that_hold_each_other_are_checked_at_every_depth(compile_messages: Compile) -> None:
    """A rule is found through a circle of types."""
    kinds, _ = compile_messages(
        """
        message Hen { Egg egg = 1; Nest nest = 2; }
        message Egg { Hen hen = 1; }
        message Nest { string name = 1 [(toolmesh.options.v1.rules).max_len = 3]; Egg egg = 2; }
        """
    )
    hen = {"egg": {"hen": {"nest": {"name": "abcd", "egg": {"hen": {"nest": {"name": "abcd"}}}}}}}

    assert set(violations(kinds["Hen"], hen)) == {
        "egg.hen.nest.name",
        "egg.hen.nest.egg.hen.nest.name",
    }


def test_fields_without_any_rule_below_them_are_not_visited(compile_messages: Compile) -> None:
    """A check costs nothing for the parts of a message that no rule reaches."""
    kinds, _ = compile_messages(
        """
        message Leaf { string a = 1; Leaf leaf = 2; }
        message Request {
          Leaf leaf = 1;
          string b = 2 [(toolmesh.options.v1.rules).max_len = 3];
        }
        """
    )

    assert len(FieldRules(kinds["Request"].DESCRIPTOR).fields) == 1
    assert FieldRules(kinds["Leaf"].DESCRIPTOR).fields == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("int32 n = 1 [(toolmesh.options.v1.rules).max_len = 3]", "min_len and max_len"),
        ("Other n = 1 [(toolmesh.options.v1.rules).min_len = 3]", "min_len and max_len"),
        ("string n = 1 [(toolmesh.options.v1.rules).min = 3]", "min and max"),
        ("bool n = 1 [(toolmesh.options.v1.rules).max = 3]", "min and max"),
        ("bytes n = 1 [(toolmesh.options.v1.rules).pattern = 'a']", "pattern"),
        ("string n = 1 [(toolmesh.options.v1.rules).pattern = '(a']", "pattern"),
        ("string n = 1 [(toolmesh.options.v1.rules).max_items = 3]", "min_items and max_items"),
        ("map<string, int32> n = 1 [(toolmesh.options.v1.rules).max_len = 3]", "min_len"),
    ],
)
def test_a_rule_that_does_not_fit_its_field_is_refused(
    compile_messages: Compile, compile_proto: Callable[[str], bytes], field: str, words: str
) -> None:
    """Such a rule fails when it is compiled, naming the field, not at the first call."""
    body = f"message Other {{}} message Request {{ {field}; }}"
    kinds, _ = compile_messages(body)

    with pytest.raises(RuleError, match=rf"toolmesh\.parrot\.v1\.Request\.n: {words}"):
        FieldRules(kinds["Request"].DESCRIPTOR)


def test_the_rules_of_all_real_requests_compile() -> None:
    """Every request of the mesh has rules that fit."""
    for method in Contract.load().methods:
        FieldRules(method.input)
