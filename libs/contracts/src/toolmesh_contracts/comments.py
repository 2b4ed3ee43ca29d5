"""The comments of a descriptor set, which LLMs, API readers and CLI users are shown."""

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

# Field numbers in descriptor.proto: a location's path is made of them and of indexes.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2

_Path = tuple[int, ...]


class Comments:
    """Comments by the full name of what they stand before, for example `pkg.Message.field`."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._texts: dict[str, str] = {}
        for file in files:
            texts = {
                tuple(location.path): location.leading_comments
                for location in file.source_code_info.location
                if location.leading_comments
            }
            for path, name in _names(file):
                if path in texts:
                    self._texts[name] = _reflow(texts[path])

    def of(self, full_name: str) -> str:
        """The comment before a message, field, enum, value, service or method; empty if none."""
        return self._texts.get(full_name, "")


def _names(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    prefix = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _message_names(message, (_FILE_MESSAGE, index), prefix + message.name)
    yield from _enum_names(file.enum_type, (_FILE_ENUM,), prefix)
    for index, service in enumerate(file.service):
        yield from _service_names(service, (_FILE_SERVICE, index), prefix + service.name)


def _message_names(message: DescriptorProto, path: _Path, name: str) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _MESSAGE_FIELD, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, _MESSAGE_NESTED, index), f"{name}.{nested.name}")
    yield from _enum_names(message.enum_type, (*path, _MESSAGE_ENUM), f"{name}.")


def _enum_names(
    enums: Sequence[EnumDescriptorProto], path: _Path, prefix: str
) -> Iterator[tuple[_Path, str]]:
    for index, enum in enumerate(enums):
        yield (*path, index), prefix + enum.name
        for number, value in enumerate(enum.value):
            # As protobuf scopes them: a value is a sibling of its enum, not a child.
            yield (*path, index, _ENUM_VALUE, number), prefix + value.name


def _service_names(
    service: ServiceDescriptorProto, path: _Path, name: str
) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for index, method in enumerate(service.method):
        yield (*path, _SERVICE_METHOD, index), f"{name}.{method.name}"


def _reflow(comment: str) -> str:
    """Joins the wrapped lines of each paragraph; a line that starts a list item keeps its own."""
    paragraphs: list[list[str]] = [[]]
    for raw in comment.strip().splitlines():
        line = raw.strip()
        if not line:
            paragraphs.append([])
        elif line.startswith(("- ", "* ")) or not paragraphs[-1]:
            paragraphs[-1].append(line)
        else:
            paragraphs[-1][-1] += f" {line}"
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
