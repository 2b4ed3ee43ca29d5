"""The table that refusals go by: what the values of an enum are called."""

from google.protobuf.descriptor import Descriptor, EnumDescriptor

from toolmesh_contracts.contract import Contract
from toolmesh_gateway.scripts import quoted, with_tables


def script(contract: Contract) -> str:
    """The Lua program: the names of all enums that a request may have, then the code."""
    enums: dict[str, EnumDescriptor] = {}
    seen: set[str] = set()
    for method in contract.methods:
        _collect(method.input, enums, seen)
    rows = [f"[{quoted(name)}]={quoted(', '.join(_names(enum)))}" for name, enum in enums.items()]
    return with_tables("refusals", {"ENUMS": rows})


def _collect(message: Descriptor, enums: dict[str, EnumDescriptor], seen: set[str]) -> None:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if field.enum_type is not None:
            enums[field.enum_type.full_name] = field.enum_type
        if field.message_type is not None:
            _collect(field.message_type, enums, seen)


def _names(enum: EnumDescriptor) -> list[str]:
    """The names to choose from: the first, UNSPECIFIED, is what a field is when nothing is said."""
    return [value.name for value in enum.values if value.number]
