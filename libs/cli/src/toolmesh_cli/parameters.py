"""The words and options of a derived command, made from the fields of the method's request."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from google.protobuf.descriptor import FieldDescriptor

from toolmesh_cli.arguments import enum_choices, takes_file, typed_value, value_kind
from toolmesh_cli.pages import ANSWER_BOUNDS, BUDGET_FIELD, PAGE_FIELDS, is_paged
from toolmesh_cli.rows import Rows, read_rows
from toolmesh_cli.secrets import ask_secret, is_secret
from toolmesh_contracts.contract import Method, SideEffect
from toolmesh_contracts.field_rules import rules_of

# Options that every command has.
_RESERVED: Final = ("json", "help")
_IDS: Final = ("id", "name")
_VARIABLE: Final = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass(frozen=True)
class FieldParameter:
    """A field of a request and how it is typed.

    Attributes:
        name: the parameter's name for click.
        clear: the name of the flag that sets an empty list; empty: there is none.
    """

    field: FieldDescriptor
    name: str
    clear: str = ""


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused."""
    rules = rules_of(field)
    return bool(rules and (rules.required or rules.min_items))


def has_workspace_default(method: Method, field: FieldDescriptor) -> bool:
    """Whether the field may be filled with what the current folder was pushed to."""
    harmless = method.tool is not None or method.policy.side_effect == SideEffect.READ
    return harmless and field.name == "workspace" and field.name not in words_of(method)


def wrapper_of(method: Method) -> FieldDescriptor | None:
    """The message that is all there is in the request; its fields are typed in its place."""
    fields = method.input.fields
    only = fields[0] if len(fields) == 1 else None
    if only is None or only.is_repeated or only.message_type is None or _listed(only):
        return None
    return None if only.message_type.full_name.startswith("google.protobuf.") else only


def request_fields(method: Method) -> Sequence[FieldDescriptor]:
    """The fields that are typed, those that bound an answer left out where it has no bounds."""
    wrapper = wrapper_of(method)
    if wrapper is None:
        return [f for f in method.input.fields if not (is_paged(method) and f.name in PAGE_FIELDS)]
    bounded = any(name in method.output.fields_by_name for name in ANSWER_BOUNDS)
    unused = () if bounded else (*PAGE_FIELDS, BUDGET_FIELD)
    inner: Any = wrapper.message_type
    return [f for f in inner.fields if f.name not in unused]


def request_json(method: Method, arguments: dict[str, Any]) -> dict[str, Any]:
    """The JSON form of the request whose typed fields are the arguments."""
    wrapper = wrapper_of(method)
    return arguments if wrapper is None else {wrapper.name: arguments}


def words_of(method: Method) -> tuple[str, ...]:
    """The fields that are typed as words: what the HTTP path names, and the id of something new."""
    if method.tool is not None or wrapper_of(method) is not None:
        return ()
    named = {name for rule in method.http for name in _VARIABLE.findall(rule.path)}
    fields = method.input.fields
    return tuple(f.name for f in fields if f.name in named or (f.name in _IDS and is_required(f)))


def rows_field(method: Method) -> FieldDescriptor | None:
    """The list of messages that is all there is in the request."""
    fields = method.input.fields
    return fields[0] if len(fields) == 1 and _is_rows(fields[0]) else None


class Parameters:
    """The parameters of one method's command.

    Args:
        help_of: a field's help.
    """

    def __init__(self, method: Method, help_of: Mapping[str, str]) -> None:
        self._method = method
        self._help = help_of
        self._words = words_of(method)
        self._fields = [_parameter(f) for f in request_fields(method)]
        rest = [f for f in self._fields if f.field.name not in self._words]
        self._only_secrets = all(is_secret(each.field) for each in rest)

    @property
    def asked_for(self) -> Sequence[str]:
        """The secrets that are asked for without a flag, in words."""
        fields = [each.field for each in self._fields if is_secret(each.field)]
        return [field.name.replace("_", " ") for field in fields if self._is_asked_for(field)]

    def click_parameters(self) -> Iterator[click.Parameter]:
        """What click is to know."""
        for each in self._fields:
            yield from self._click_parameters(each)

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON form of the fields, from what click read; secrets are asked for.

        Raises:
            CliError: a value cannot be one of its field's.
        """
        arguments: dict[str, Any] = {}
        for each in self._fields:
            name, value = each.field.name, values.get(each.name)
            if is_secret(each.field):
                if value or self._is_asked_for(each.field):
                    arguments[name] = ask_secret(each.field, again=self._is_new(each.field))
            elif each.clear and values.get(each.clear):
                arguments[name] = {}
            elif value is not None and value != ():
                arguments[name] = _json_value(each.field, value)
        return arguments

    def rows(self, values: Mapping[str, Any]) -> Rows:
        """The rows of the file, for a request that is a list of them.

        Raises:
            CliError: the file cannot be read, or rows of it are wrong.
        """
        only = self._fields[0]
        return read_rows(values[only.name], only.field)

    def _is_asked_for(self, field: FieldDescriptor) -> bool:
        """Whether a secret is asked for without a flag: the request needs it or is about it."""
        return is_required(field) or self._only_secrets

    def _is_new(self, field: FieldDescriptor) -> bool:
        # What must have a length is being chosen; what is known already is as long as it is.
        rules = rules_of(field)
        return bool(rules and rules.min_len)

    def _click_parameters(self, each: FieldParameter) -> Iterator[click.Parameter]:
        field, name = each.field, each.name
        flag = f"--{name.replace('_', '-')}"
        required = is_required(field) and not has_workspace_default(self._method, field)
        shared: dict[str, Any] = {"help": self._help[field.name], "required": required}
        kind: dict[str, Any] = {"type": str, "metavar": _metavar(_listed(field) or field)}
        if field.enum_type is not None:
            kind = {"type": click.Choice(list(enum_choices(field.enum_type)), case_sensitive=False)}
        if name in self._words:
            yield click.Argument([name], required=True, type=str)
        elif is_secret(field):
            if not self._is_asked_for(field):
                text = f"Ask for it, or read a line from stdin. {self._help[field.name]}"
                yield click.Option([flag, name], is_flag=True, help=text)
        elif _is_rows(field):
            flag = "--file" if rows_field(self._method) else flag
            text = f"A file of them, CSV or JSON lines; - for stdin. {self._help[field.name]}"
            yield click.Option([flag, name], metavar="FILE", required=required, help=text)
        elif field.type == FieldDescriptor.TYPE_BOOL and not field.is_repeated:
            yield click.Option([f"{flag}/--no-{flag[2:]}"], default=None, **shared)
        elif each.clear:
            shared["help"] += " Can be repeated."
            yield click.Option([flag, name], multiple=True, **kind, **shared)
            text = f"Leave {field.name.replace('_', ' ')} empty."
            yield click.Option([f"--no-{flag[2:]}", each.clear], is_flag=True, help=text)
        else:
            multiple = field.is_repeated and not _is_map(field)
            shared["help"] += " Can be repeated." if multiple else ""
            yield click.Option([flag, name], multiple=multiple, **kind, **shared)


def _metavar(field: FieldDescriptor) -> str:
    kind = value_kind(field).partition(" (")[0].upper().replace(" ", "-")
    return f"{kind}|@FILE" if takes_file(field) else kind


def _parameter(field: FieldDescriptor) -> FieldParameter:
    name = f"{field.name}_field" if field.name in _RESERVED else field.name
    return FieldParameter(field, name, clear=f"no_{name}" if _listed(field) else "")


def _listed(field: FieldDescriptor) -> FieldDescriptor | None:
    """The list in a message that is there to tell an empty list from none."""
    message = field.message_type
    if field.is_repeated or message is None or len(message.fields) != 1:
        return None
    inner = message.fields[0]
    plain = inner.is_repeated and inner.message_type is None
    return inner if plain and not message.full_name.startswith("google.protobuf.") else None


def _json_value(field: FieldDescriptor, value: Any) -> Any:
    if inner := _listed(field):
        return {inner.name: [typed_value(inner, item) for item in value]}
    if _is_rows(field):
        return list(read_rows(value, field).items)
    if isinstance(value, tuple):
        return [typed_value(field, item) for item in value]
    return value if isinstance(value, bool) else typed_value(field, value)


def _is_rows(field: FieldDescriptor) -> bool:
    message = field.message_type
    plain = message is None or message.full_name.startswith("google.protobuf.")
    return field.is_repeated and not plain and not _is_map(field)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
