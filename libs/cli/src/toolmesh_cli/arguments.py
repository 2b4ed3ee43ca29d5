"""Turns what was typed into the JSON form of a request, by the request's descriptor."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.wording import point_in_time
from toolmesh_client.by_descriptor import parse_arguments
from toolmesh_contracts.contract import Method

_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Messages that JSON writes as a string, and what that is.
_STRING_MESSAGES = {
    "google.protobuf.Timestamp": "time (2027-01-31, +30d, -1h)",
    "google.protobuf.Duration": "seconds",
    "google.protobuf.FieldMask": "fields",
}
_INTEGERS = tuple(
    getattr(FieldDescriptor, f"TYPE_{kind}{bits}")
    for kind in ("INT", "UINT", "SINT", "FIXED", "SFIXED")
    for bits in (32, 64)
)
# What a scalar is called and how it is read; the others are text as they are.
_SCALARS: dict[int, tuple[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_INTEGERS, ("integer", int)),
    FieldDescriptor.TYPE_DOUBLE: ("number", float),
    FieldDescriptor.TYPE_FLOAT: ("number", float),
    FieldDescriptor.TYPE_BOOL: ("true or false", lambda text: _TRUE[text.lower()]),
    FieldDescriptor.TYPE_BYTES: ("base64", str),
}


def kebab(name: str) -> str:
    """`WhoAmI` or `max_tokens` as it is typed: `who-am-i`, `max-tokens`."""
    return _WORDS.sub("-", name).replace("_", "-").lower()


def enum_choices(enum: EnumDescriptor) -> dict[str, str]:
    """The values of an enum by what is typed for them: `read` for `SIDE_EFFECT_READ`."""
    prefix = f"{_WORDS.sub('_', enum.name).upper()}_"
    return {
        kebab(value.name.removeprefix(prefix)): value.name
        for value in enum.values
        if value.number != 0
    }


def is_json(field: FieldDescriptor) -> bool:
    """Whether the field's value is typed as JSON."""
    message = field.message_type
    return message is not None and message.full_name not in _STRING_MESSAGES


def typed_value(field: FieldDescriptor, text: str) -> Any:
    """What one value that was typed means for the field.

    Raises:
        CliError: it cannot be one of the field's.
    """
    try:
        return _converted(field, text)
    except (ValueError, KeyError):
        raise CliError(
            f"{text!r} is not a value of {field.name}: {value_kind(field)} is needed",
            exit_code=ExitCode.USAGE,
        ) from None


def _converted(field: FieldDescriptor, text: str) -> Any:
    if is_json(field):
        return orjson.loads(_content(text))
    if field.enum_type is not None:
        # What is no word of ours may be the value's full name.
        return enum_choices(field.enum_type).get(kebab(text), text)
    if field.message_type is not None and field.message_type.name == "Duration":
        return text if text.endswith("s") else f"{text}s"
    if field.message_type is not None and field.message_type.name == "Timestamp":
        return point_in_time(text)
    convert = _SCALARS.get(field.type)
    return convert[1](text) if convert else text


def value_kind(field: FieldDescriptor) -> str:
    """What kind of value the field takes, in a word or two."""
    if is_json(field):
        return "JSON"
    if field.message_type is not None:
        return _STRING_MESSAGES[field.message_type.full_name]
    if field.enum_type is not None:
        return "one of " + ", ".join(enum_choices(field.enum_type))
    return _SCALARS[field.type][0] if field.type in _SCALARS else "text"


def read_pairs(descriptor: Descriptor, words: Sequence[str]) -> dict[str, Any]:
    """Reads `key=value` words, and at most one word with all arguments: JSON, `@file` or `-`.

    A key may be typed as `max_tokens`, `max-tokens` or `maxTokens`; a list's key is repeated.

    Raises:
        CliError: a word is neither, or its key is no field of the request.
    """
    arguments: dict[str, Any] = {}
    for word in words:
        key, separator, text = word.partition("=")
        if word.startswith(("{", "@")) or word == "-":
            arguments |= read_object(word)
            continue
        field = _field(descriptor, key)
        if not separator:
            raise CliError(
                f"{word!r} is not an argument",
                exit_code=ExitCode.USAGE,
                hint="write key=value, '{\"key\": ...}', @FILE with JSON, or - for JSON from stdin",
            )
        value = typed_value(field, text)
        if field.is_repeated and not isinstance(value, dict | list):
            arguments.setdefault(field.name, []).append(value)
        else:
            arguments[field.name] = value
    return arguments


def read_object(text: str) -> dict[str, Any]:
    """Reads a JSON object: the text itself, `@file`, or `-` for stdin.

    Raises:
        CliError: it is none.
    """
    try:
        content = orjson.loads(_content(text))
    except orjson.JSONDecodeError as error:
        raise CliError(f"the arguments are not JSON: {error}", exit_code=ExitCode.USAGE) from None
    if not isinstance(content, dict):
        raise CliError("the arguments are not a JSON object", exit_code=ExitCode.USAGE)
    return content


def build_request(method: Method, arguments: dict[str, Any]) -> Message:
    """The request.

    Raises:
        CliError: an argument is unknown or of another type.
    """
    try:
        return parse_arguments(method, arguments)
    except ValueError as error:
        raise CliError(str(error), exit_code=ExitCode.USAGE) from None


def _field(descriptor: Descriptor, key: str) -> FieldDescriptor:
    for field in descriptor.fields:
        if key in (field.name, field.json_name, kebab(field.name)):
            return field
    known = ", ".join(field.name for field in descriptor.fields) or "none"
    raise CliError(
        f"the method has no argument {key!r}", exit_code=ExitCode.USAGE, hint=f"it takes: {known}"
    )


def _content(text: str) -> str | bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise CliError(
            f"{text[1:]} cannot be read: {error.strerror}", exit_code=ExitCode.USAGE
        ) from None
