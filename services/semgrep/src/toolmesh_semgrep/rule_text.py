"""Reads the YAML of a rule file, written by anybody.

The tree is made of the parser's events, one after the other, and not by PyYAML's loaders: those
recurse, so that 20 KB of brackets end the process, and make numbers, dates and copies of aliases as
large as the text asks for. What plain words mean is as in YAML 1.2's core schema, which the engine
follows too: `yes` and `2020-01-02` are texts.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

_DEEPEST = 100
_MOST_NODES = 200_000
# Long texts count as several nodes, for aliases repeat them too.
_CHARACTERS_A_NODE = 50
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{0,15}(?:[eE][-+]?[0-9]{1,2})?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_NO_KEY = object()


class TextUnreadableError(Exception):
    """The text is not YAML that rules can be written in; line and column count from 1."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule file says: the document, and on which line each of its `rules` begins."""

    document: Any
    lines: tuple[int, ...]


@dataclass(slots=True)
class _Open:
    """A list or a mapping that is being read."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    size: int = 1
    key: Any = _NO_KEY


@dataclass(slots=True)
class _Reader:
    document: Any = None
    lines: list[int] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            is_key = bool(self.open) and self._wants_key()
            value = event.value if is_key else _plain(event)
            size = 1 + len(event.value) // _CHARACTERS_A_NODE
            self._note(event.anchor, value, size)
            self._add(value, size, event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._note_line(event)
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            if self.open and self._wants_key():
                raise _at(event, "a key is a text")
            self.open.append(_Open(value, event.anchor))
            if len(self.open) > _DEEPEST:
                raise _at(event, f"nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            self._note(done.anchor, done.value, done.size)
            self._add(done.value, done.size, event)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise _at(event, f"the alias *{event.anchor} stands for nothing before it")
            self._note_line(event)
            self._add(*self.anchors[event.anchor], event)

    def _wants_key(self) -> bool:
        parent = self.open[-1]
        return isinstance(parent.value, dict) and parent.key is _NO_KEY

    def _note(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)

    def _note_line(self, event: Any) -> None:
        in_rules = len(self.open) == 2 and self.open[0].key == "rules"
        if in_rules and isinstance(self.open[1].value, list):
            self.lines.append(event.start_mark.line + 1)

    def _add(self, value: Any, size: int, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._note_line(event)
        if not self.open:
            self.document = value
            return
        parent = self.open[-1]
        parent.size += size
        if parent.size > _MOST_NODES:
            raise _at(event, "the text is too large once its aliases are written out")
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not _NO_KEY:
            parent.value[parent.key] = value
            parent.key = _NO_KEY
        elif isinstance(value, str):
            parent.key = value
        else:
            raise _at(event, "a key is a text")


def read_rule_text(text: str) -> RuleText:
    """Return what a YAML or JSON text says, made of texts, numbers, lists and mappings.

    Raises:
        TextUnreadableError: it is not YAML, or too deep or too large.
    """
    reader = _Reader()
    documents = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _at(event, "more than one document")
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise TextUnreadableError(f"not YAML: {error.problem or error.context}", *place) from error
    except yaml.YAMLError as error:
        raise TextUnreadableError(f"not YAML: {str(error).splitlines()[0]}") from error
    return RuleText(reader.document, tuple(reader.lines))


def _plain(event: Any) -> Any:
    """Return what a scalar stands for."""
    if event.tag in _TEXT_TAGS or (event.tag is None and not event.implicit[0]):
        return event.value
    if event.tag is not None:
        raise _at(event, f"the tag {event.tag[:50]} means nothing in a rule")
    text = event.value
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _at(event: Any, message: str) -> TextUnreadableError:
    mark = event.start_mark
    return TextUnreadableError(message, mark.line + 1, mark.column + 1)
