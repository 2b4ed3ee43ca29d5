"""Turns what was typed into the JSON form of a request, by the request's descriptor."""

import base64
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.secrets import is_secret
from toolmesh_cli.wording import point_in_time
from toolmesh_client.by_descriptor import parse_arguments
from toolmesh_contracts.contract import Method
from toolmesh_contracts.field_rules import rules_of

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
# No argument of a command has more bytes on Linux (`MAX_ARG_STRLEN`, less the zero at its end).
_LONGEST_WORD: Final = 131_071


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


def takes_file(field: FieldDescriptor) -> bool:
    """Whether `@file` stands for what the file holds: for bytes, and texts that may be too long to
    be typed. Shorter texts may well begin with an @: a question about `@dataclass`.
    """
    if field.is_repeated or is_secret(field):
        return False
    rules = rules_of(field)
    is_long = rules is not None and rules.max_len > _LONGEST_WORD
    return field.type == FieldDescriptor.TYPE_BYTES or (
        field.type == FieldDescriptor.TYPE_STRING and is_long
    )


def typed_value(field: FieldDescriptor, text: str, *, files: bool = True) -> Any:
    """What one value that was typed means for the field.

    Args:
        files: whether the text may name a file to read.

    Raises:
        CliError: it cannot be one of the field's, or the file cannot be read.
    """
    try:
        return _converted(field, _content(field, text) if files else text)
    except (ValueError, KeyError):
        raise CliError(
            f"{text!r} is not a value of {field.name}: {value_kind(field)} is needed",
            exit_code=ExitCode.USAGE,
        ) from None


def _converted(field: FieldDescriptor, text: str) -> Any:
    if is_json(field):
        return orjson.loads(text)
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
        content = orjson.loads(_file_or_text(text))
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


def _content(field: FieldDescriptor, text: str) -> str:
    """The text, or what the file that it names holds: base64 for bytes, as they are typed."""
    if is_json(field):
        return _decoded(text, _file_or_text(text))
    if not takes_file(field) or not text.startswith("@"):
        return text
    if text.startswith("@@"):
        return text[1:]
    content = _read(text[1:])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(content).decode()
    return _decoded(text, content)


def _file_or_text(text: str) -> bytes:
    if text == "-":
        return _read(text)
    # What is no UTF-8 text stays so, and is no JSON.
    return _read(text[1:]) if text.startswith("@") else text.encode(errors="surrogateescape")


def _decoded(name: str, content: bytes) -> str:
    try:
        # Some editors begin a file with a mark of its encoding.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CliError(
            f"{name.lstrip('@')} cannot be read: it is not UTF-8 text", exit_code=ExitCode.USAGE
        ) from None


def _read(name: str) -> bytes:
    """What a file holds; `-` is stdin."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CliError(
            f"{name} cannot be read: {error.strerror}", exit_code=ExitCode.USAGE
        ) from None
