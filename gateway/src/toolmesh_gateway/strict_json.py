"""The tables that the check of JSON bodies goes by: which fields a method's body may have."""

import re

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from toolmesh_contracts.contract import Contract, HttpRule, Method
from toolmesh_gateway.http_paths import is_literal, lua_pattern
from toolmesh_gateway.scripts import quoted, with_tables

_NO_FIELDS = 0
_ANY_NAME = "*"
_HTTP_BODY = "google.api.HttpBody"
# Messages that JSON writes in a way of their own: no fields to be known or unknown.
_WELL_KNOWN_FILES = re.compile(
    r"google/protobuf/(any|duration|empty|field_mask|struct|timestamp|wrappers)\.proto"
)


def script(contract: Contract) -> str:
    """The Lua program: the tables for the contract, then the code that reads them."""
    types = _Types()
    methods: list[str] = []
    templates: list[str] = []
    for method in contract.methods:
        for rule in method.http:
            kind = _body_type(method, rule, types)
            if kind == _NO_FIELDS:
                continue
            if is_literal(rule.path):
                methods.append(f"[{quoted(f'{rule.verb} {rule.path}')}]={kind}")
            else:
                pattern = quoted(lua_pattern(rule.path))
                templates.append(f"{{{quoted(rule.verb)},{pattern},{kind}}}")
    tables = {"METHODS": methods, "TEMPLATES": templates, "TYPES": types.tables()}
    return with_tables("strict_json", tables)


def _body_type(method: Method, rule: HttpRule, types: "_Types") -> int:
    if not rule.body or method.client_streaming:
        return _NO_FIELDS
    if rule.body == "*":
        return types.number(method.input)
    return types.of_field(method.input.fields_by_name[rule.body])


class _Types:
    """Message types by number; each is described once, so that types may hold themselves."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._fields: list[dict[str, int]] = []

    def number(self, message: Descriptor) -> int:
        """The number of a message type."""
        if _WELL_KNOWN_FILES.fullmatch(message.file.name) or message.full_name == _HTTP_BODY:
            return _NO_FIELDS
        if message.full_name not in self._numbers:
            fields: dict[str, int] = {}
            self._fields.append(fields)
            self._numbers[message.full_name] = len(self._fields)
            for field in message.fields:
                fields[field.name] = fields[field.json_name] = self.of_field(field)
        return self._numbers[message.full_name]

    def of_field(self, field: FieldDescriptor) -> int:
        """The number of a field's type."""
        message = field.message_type
        if message is None:
            return _NO_FIELDS
        if not message.GetOptions().map_entry:
            return self.number(message)
        if message.full_name not in self._numbers:
            self._fields.append({})
            self._numbers[message.full_name] = len(self._fields)
            value = self.of_field(message.fields_by_name["value"])
            self._fields[self._numbers[message.full_name] - 1][_ANY_NAME] = value
        return self._numbers[message.full_name]

    def tables(self) -> list[str]:
        """Each type as a Lua table, in the order of their numbers."""
        return [
            "{" + ",".join(f"[{quoted(name)}]={kind}" for name, kind in fields.items()) + "}"
            for fields in self._fields
        ]
