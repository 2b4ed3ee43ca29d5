"""JSON Schema (2020-12) of messages, as proto3's JSON mapping writes them."""

from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from toolmesh_contracts.comments import Comments
from toolmesh_contracts.field_rules import fewest_items, map_value, rules_of

Schema = dict[str, Any]

_INT32: Schema = {"type": "integer", "format": "int32"}
# JSON numbers lose digits past 2^53, so answers have strings; requests may have either.
_INT64: Schema = {"type": ["string", "integer"], "format": "int64"}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _INT32,
    FieldDescriptor.TYPE_FIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _INT64,
    FieldDescriptor.TYPE_FIXED64: _INT64,
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}

# Messages that JSON writes in a way of their own.
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
    # Only at the top of a request or an answer, where it stands for the raw body.
    "google.api.HttpBody": {"type": "string", "contentEncoding": "base64"},
}


class SchemaWriter:
    """Writes message types as schemas that refer to each other.

    Args:
        comments: where descriptions come from.
        reference: the start of a `$ref`: `#/$defs/` or `#/components/schemas/`.
        closed: refuse unknown properties. Right for requests, where they are mistakes; answers may
            gain fields with time.
    """

    def __init__(
        self, comments: Comments, *, reference: str = "#/$defs/", closed: bool = False
    ) -> None:
        self._comments = comments
        self._reference = reference
        self._closed = closed
        self.definitions: dict[str, Schema] = {}

    def message(self, descriptor: Descriptor) -> Schema:
        """The schema of a message type, its fields spelled out; what it refers to is collected."""
        properties: Schema = {}
        required: list[str] = []
        for field in descriptor.fields:
            properties[field.json_name] = self.field(field)
            rules = rules_of(field)
            if rules is not None and fewest_items(rules):
                required.append(field.json_name)
        schema: Schema = {"type": "object"}
        if description := self._comments.of(descriptor.full_name):
            schema["description"] = description
        schema["properties"] = properties
        if required:
            schema["required"] = required
        if self._closed:
            schema["additionalProperties"] = False
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field, with its comment and its rules."""
        value = map_value(field)
        if value is not None:
            schema: Schema = {"type": "object"}
            schema["additionalProperties"] = self._value(value) | _value_rules(field)
            schema |= _count_rules(field, "Properties")
        elif field.is_repeated:
            schema = {"type": "array", "items": self._value(field) | _value_rules(field)}
            schema |= _count_rules(field, "Items")
        else:
            schema = self._value(field) | _value_rules(field)
        # An enum's values are described already: that follows on what the field says.
        said = [self._comments.of(field.full_name), str(schema.get("description", ""))]
        if description := "\n\n".join(filter(None, said)):
            schema["description"] = description
        return schema

    def refer(self, descriptor: Descriptor) -> Schema:
        """A reference to a message type, which is added to `definitions`."""
        name = descriptor.full_name
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        if name not in self.definitions:
            self.definitions[name] = {}  # a type may hold itself
            self.definitions[name] = self.message(descriptor)
        return {"$ref": self._reference + name}

    def _value(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.message_type is not None:
            return self.refer(field.message_type)
        return dict(_SCALARS[field.type])

    def _enum(self, enum: EnumDescriptor) -> Schema:
        lines = [
            f"{value.name}: {comment}"
            for value in enum.values
            if (comment := self._comments.of(f"{_scope(enum)}{value.name}"))
        ]
        schema: Schema = {"type": "string", "enum": [value.name for value in enum.values]}
        if lines:
            schema["description"] = "\n".join(lines)
        return schema


def standalone(descriptor: Descriptor, comments: Comments, *, closed: bool) -> Schema:
    """The schema of a message type, complete in itself: what it refers to is in `$defs`."""
    writer = SchemaWriter(comments, closed=closed)
    schema = writer.message(descriptor)
    if writer.definitions:
        schema["$defs"] = writer.definitions
    return schema


def _scope(enum: EnumDescriptor) -> str:
    return enum.full_name.removesuffix(enum.name)


def _value_rules(field: FieldDescriptor) -> Schema:
    rules = rules_of(field)
    if rules is None:
        return {}
    schema: Schema = {}
    if rules.HasField("min"):
        schema["minimum"] = _plain(rules.min)
    if rules.HasField("max"):
        schema["maximum"] = _plain(rules.max)
    # The length of bytes is not that of their base64 form, so it is left to the service.
    if (map_value(field) or field).type == FieldDescriptor.TYPE_STRING:
        if rules.HasField("min_len"):
            schema["minLength"] = rules.min_len
        if rules.HasField("max_len"):
            schema["maxLength"] = rules.max_len
        if rules.pattern:
            # Rules match the whole string, JSON Schema any part of it. An unset string is fine.
            optional = "" if rules.required or field.is_repeated else "?"
            schema["pattern"] = f"^({rules.pattern}){optional}$"
    return schema


def _count_rules(field: FieldDescriptor, unit: str) -> Schema:
    rules = rules_of(field)
    if rules is None:
        return {}
    schema: Schema = {}
    if fewest := fewest_items(rules):
        schema[f"min{unit}"] = fewest
    if rules.HasField("max_items"):
        schema[f"max{unit}"] = rules.max_items
    return schema


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number
