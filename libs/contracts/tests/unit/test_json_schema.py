"""JSON Schema: what LLMs and API readers are told of messages."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from toolmesh_contracts.contract import Contract
from toolmesh_contracts.field_rules import FieldRules
from toolmesh_contracts.json_schema import SchemaWriter, standalone

Compile = Callable[[str], tuple[dict[str, Any], Any]]

KINDS = """
// A kind of bird.
enum Bird {
  BIRD_UNSPECIFIED = 0;
  // Talks.
  BIRD_PARROT = 1;
  // Sings.
  BIRD_LARK = 2;
}
message Leaf { string name = 1; }
// Everything.
message Request {
  // A text.
  string some_text = 1;
  bytes blob = 2;
  bool flag = 3;
  int32 small = 4;
  uint32 unsigned = 5;
  int64 large = 6;
  fixed64 fixed = 7;
  double share = 8;
  float part = 9;
  // Which bird.
  Bird bird = 10;
  Leaf leaf = 11;
  repeated string words = 12;
  repeated Leaf leaves = 13;
  repeated Bird birds = 14;
  map<string, int64> counts = 15;
  map<int32, Leaf> by_number = 16;
  google.protobuf.Timestamp begin_time = 17;
  google.protobuf.Duration lifetime = 18;
  google.protobuf.Struct free = 19;
  google.protobuf.Value any_value = 20;
  google.protobuf.ListValue list = 21;
  google.protobuf.FieldMask mask = 22;
  optional int32 maybe = 23;
  string renamed = 24 [json_name = "otherName"];
}
"""

RULED = """
message Item {
  string name = 1 [(toolmesh.options.v1.rules) = {required: true, max_len: 3}];
}
message Request {
  string text = 1 [(toolmesh.options.v1.rules) = {required: true, min_len: 2, max_len: 4}];
  string code = 2 [(toolmesh.options.v1.rules).pattern = "[a-z]+|[0-9]+"];
  int64 count = 3 [(toolmesh.options.v1.rules) = {min: 1, max: 10}];
  double share = 4 [(toolmesh.options.v1.rules) = {min: 0.5, max: 1}];
  bytes blob = 5 [(toolmesh.options.v1.rules) = {min_len: 2, max_len: 4}];
  repeated string tags = 6 [(toolmesh.options.v1.rules) = {
    required: true, max_items: 2, max_len: 3, pattern: "[a-z]+"
  }];
  repeated Item items = 7 [(toolmesh.options.v1.rules) = {min_items: 1, max_items: 3}];
  map<string, string> labels = 8 [(toolmesh.options.v1.rules) = {max_len: 3, max_items: 1}];
  Item item = 9 [(toolmesh.options.v1.rules).required = true];
  string name = 10 [(toolmesh.options.v1.rules) = {required: true, pattern: "[a-z]+"}];
}
"""


def schema_of(compiled: tuple[dict[str, Any], Any], *, closed: bool = True) -> dict[str, Any]:
    """The schema of the message `Request`."""
    kinds, comments = compiled
    return standalone(kinds["Request"].DESCRIPTOR, comments, closed=closed)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("someText", {"type": "string", "description": "A text."}),
        ("blob", {"type": "string", "contentEncoding": "base64"}),
        ("flag", {"type": "boolean"}),
        ("small", {"type": "integer", "format": "int32"}),
        ("unsigned", {"type": "integer", "format": "int32"}),
        ("large", {"type": ["string", "integer"], "format": "int64"}),
        ("fixed", {"type": ["string", "integer"], "format": "int64"}),
        ("share", {"type": "number"}),
        ("part", {"type": "number"}),
        (
            "bird",
            {
                "type": "string",
                "enum": ["BIRD_UNSPECIFIED", "BIRD_PARROT", "BIRD_LARK"],
                "description": "Which bird.\n\nBIRD_PARROT: Talks.\nBIRD_LARK: Sings.",
            },
        ),
        ("leaf", {"$ref": "#/$defs/toolmesh.parrot.v1.Leaf"}),
        ("words", {"type": "array", "items": {"type": "string"}}),
        ("leaves", {"type": "array", "items": {"$ref": "#/$defs/toolmesh.parrot.v1.Leaf"}}),
        (
            "counts",
            {
                "type": "object",
                "additionalProperties": {"type": ["string", "integer"], "format": "int64"},
            },
        ),
        (
            "byNumber",
            {
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/toolmesh.parrot.v1.Leaf"},
            },
        ),
        ("beginTime", {"type": "string", "format": "date-time"}),
        ("lifetime", {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}),
        ("free", {"type": "object"}),
        ("anyValue", {}),
        ("list", {"type": "array"}),
        ("mask", {"type": "string"}),
        ("maybe", {"type": "integer", "format": "int32"}),
        ("otherName", {"type": "string"}),
    ],
)
def test_each_kind_of_field_has_the_schema_of_its_json_form(
    compile_messages: Compile, field: str, expected: dict[str, Any]
) -> None:
    """The schema follows proto3's JSON mapping, names included."""
    assert schema_of(compile_messages(KINDS))["properties"][field] == expected


def test_a_message_is_described_and_closed_only_when_asked(compile_messages: Compile) -> None:
    """Unknown properties are mistakes in a request, but an answer may grow."""
    compiled = compile_messages(KINDS)
    request = schema_of(compiled)

    assert request["type"] == "object"
    assert request["description"] == "Everything."
    assert request["additionalProperties"] is False
    assert request["$defs"]["toolmesh.parrot.v1.Leaf"]["additionalProperties"] is False
    answer = schema_of(compiled, closed=False)
    assert "additionalProperties" not in answer
    assert "additionalProperties" not in answer["$defs"]["toolmesh.parrot.v1.Leaf"]


def test_the_rules_of_a_message_are_in_its_schema(compile_messages: Compile) -> None:
    """What a service would refuse, a reader of the schema knows beforehand."""
    schema = schema_of(compile_messages(RULED))

    assert schema["required"] == ["text", "tags", "items", "item", "name"]
    assert schema["properties"] == {
        "text": {"type": "string", "minLength": 2, "maxLength": 4},
        "code": {"type": "string", "pattern": "^([a-z]+|[0-9]+)?$"},
        "count": {"type": ["string", "integer"], "format": "int64", "minimum": 1, "maximum": 10},
        "share": {"type": "number", "minimum": 0.5, "maximum": 1},
        "blob": {"type": "string", "contentEncoding": "base64"},
        "tags": {
            "type": "array",
            "items": {"type": "string", "maxLength": 3, "pattern": "^([a-z]+)$"},
            "minItems": 1,
            "maxItems": 2,
        },
        "items": {
            "type": "array",
            "items": {"$ref": "#/$defs/toolmesh.parrot.v1.Item"},
            "minItems": 1,
            "maxItems": 3,
        },
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 3},
            "maxProperties": 1,
        },
        "item": {"$ref": "#/$defs/toolmesh.parrot.v1.Item"},
        "name": {"type": "string", "pattern": "^([a-z]+)$"},
    }


GOOD: dict[str, Any] = {
    "text": "abcd",
    "tags": ["a"],
    "items": [{"name": "abc"}],
    "item": {"name": "a"},
    "name": "x",
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"code": "abc"},
        {"code": "123"},
        {"code": ""},
        {"count": 1},
        {"count": 10},
        {"count": 0},
        {"share": 0.5},
        {"blob": b"\xff\xfe\xfd\xfc"},
        {"text": "\U0001f99c" * 4},
        {"tags": ["a", "abc"]},
        {"labels": {"any key at all": "abc"}},
        {"items": [{"name": "abc"}] * 3},
    ],
)
def test_what_the_rules_let_pass_the_schema_lets_pass(
    compile_messages: Compile, change: dict[str, Any]
) -> None:
    """Nobody who trusts the schema is kept from sending a good message."""
    compiled = compile_messages(RULED)
    kind = compiled[0]["Request"]
    message = kind(**(GOOD | change))

    assert list(FieldRules(kind.DESCRIPTOR).violations(message)) == []
    Draft202012Validator(schema_of(compiled)).validate(json_format.MessageToDict(message))


@pytest.mark.parametrize(
    "change",
    [
        {"text": "a"},
        {"text": "abcde"},
        {"code": "A"},
        {"code": "a1"},
        {"share": 2.0},
        {"tags": []},
        {"tags": ["abcd"]},
        {"tags": [""]},
        {"tags": ["a", "b", "c"]},
        {"items": []},
        {"items": [{}]},
        {"labels": {"k": "abcd"}},
        {"labels": {"k": "a", "l": "a"}},
        {"item": {}},
        {"name": ""},
    ],
)
def test_what_the_rules_refuse_the_schema_refuses(
    compile_messages: Compile, change: dict[str, Any]
) -> None:
    """A client that validates finds the mistake before the service does."""
    compiled = compile_messages(RULED)
    kind = compiled[0]["Request"]
    message = kind(**(GOOD | change))

    assert list(FieldRules(kind.DESCRIPTOR).violations(message))
    validator = Draft202012Validator(schema_of(compiled))
    assert not validator.is_valid(json_format.MessageToDict(message))


def test_every_kind_of_field_is_valid_as_it_is_printed(compile_messages: Compile) -> None:
    """What json_format writes of a full message satisfies the schema."""
    compiled = compile_messages(KINDS)
    message = compiled[0]["Request"](
        some_text="a",
        blob=b"\x00\xff",
        flag=True,
        small=-1,
        unsigned=2**32 - 1,
        large=-(2**63),
        fixed=2**64 - 1,
        share=0.1,
        part=0.5,
        bird=1,
        leaf={"name": "a"},
        words=["a", ""],
        leaves=[{}],
        birds=[0, 2],
        counts={"a": 2**60},
        by_number={-1: {"name": "a"}},
        begin_time={"seconds": 1, "nanos": 5},
        lifetime={"seconds": -3, "nanos": -500_000_000},
        mask={"paths": ["some_text"]},
        maybe=0,
        renamed="a",
    )
    message.free.update({"a": [1, None]})
    message.any_value.number_value = 1.5
    message.list.extend([1, "a"])
    printed = json_format.MessageToDict(message)

    assert len(printed) == len(compiled[0]["Request"].DESCRIPTOR.fields)
    Draft202012Validator(schema_of(compiled)).validate(printed)


def test_types_that_hold_themselves_refer_to_themselves(compile_messages: Compile) -> None:
    """Recursion ends in a reference, and the schema still validates at every depth."""
    compiled = compile_messages(
        """
        message Request { repeated Request children = 1; Twin twin = 2; }
        message Twin { Request request = 1; bool flag = 2; }
        """
    )
    schema = schema_of(compiled)
    validator = Draft202012Validator(schema)

    assert set(schema["$defs"]) == {"toolmesh.parrot.v1.Request", "toolmesh.parrot.v1.Twin"}
    assert validator.is_valid({"children": [{"twin": {"request": {"children": []}}}]})
    assert not validator.is_valid({"children": [{"twin": {"request": {"children": 1}}}]})


def test_a_writer_collects_shared_types_under_its_own_reference(compile_messages: Compile) -> None:
    """An OpenAPI document holds every type once."""
    kinds, comments = compile_messages(KINDS)
    writer = SchemaWriter(comments, reference="#/components/schemas/")

    assert writer.refer(kinds["Request"].DESCRIPTOR) == {
        "$ref": "#/components/schemas/toolmesh.parrot.v1.Request"
    }
    assert set(writer.definitions) == {"toolmesh.parrot.v1.Request", "toolmesh.parrot.v1.Leaf"}


def test_a_raw_body_stands_for_itself() -> None:
    """The key set's answer refers to Google's HttpBody, which has no schema of fields."""
    contract = Contract.load()
    method = contract.by_path["/toolmesh.identity.v1.TokenService/GetJwks"]
    schema = standalone(method.output, contract.comments, closed=False)

    assert schema["properties"]["jwks"]["type"] == "string"
    assert "$defs" not in schema


def test_the_schemas_of_all_real_methods_are_schemas() -> None:
    """Each request and answer of the mesh has a schema that the 2020-12 metaschema accepts."""
    contract = Contract.load()

    assert contract.tools
    for method in contract.methods:
        for message in (method.input, method.output):
            schema = standalone(message, contract.comments, closed=True)
            Draft202012Validator.check_schema(schema)
    for method in contract.tools:
        properties = standalone(method.input, contract.comments, closed=True)["properties"]
        assert all(field.get("description") for field in properties.values()), method.path
