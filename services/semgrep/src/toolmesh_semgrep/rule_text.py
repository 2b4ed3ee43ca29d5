"""Reads the YAML of a rule file, written by anybody.

The tree is made of the parser's events, one after the other, and not by PyYAML's loaders: those
recurse, so that 20 KB of brackets end the process, and make numbers, dates and copies of aliases as
large as the text asks for. What plain words mean is as in YAML 1.2's core schema, which the engine
follows too: `yes` and `2020-01-02` are texts. The engine knows neither aliases nor `<<`, which are
resolved here; every value keeps its place in the text, so that what the engine says of the written
out rules can be told of the text.
"""

import json
import re
from collections.abc import Iterator
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
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_NO_KEY = object()
_MERGE = object()

Place = tuple[int, int]
"""A line and a column, both from 1; 0 where they are not known."""

_NOWHERE: Place = (0, 0)


class TextUnreadableError(Exception):
    """The text is not YAML that rules can be written in; line and column count from 1."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class PlacedList(list[Any]):
    """A list that knows where each of its items begins."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []


class PlacedMapping(dict[str, Any]):
    """A mapping that knows where each of its keys and values begins."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, tuple[Place, Place]] = {}

    def changed(self, **values: Any) -> "PlacedMapping":
        """Return the mapping with other values, which are where those before them were."""
        changed = PlacedMapping()
        changed.update(self)
        changed.update(values)
        changed.places = self.places
        return changed


@dataclass(slots=True)
class _Open:
    """A list or a mapping that is being read."""

    value: PlacedList | PlacedMapping
    place: Place
    anchor: str | None
    size: int = 1
    key: Any = _NO_KEY
    key_place: Place = _NOWHERE
    merged: list[PlacedMapping] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is _NO_KEY


@dataclass(slots=True)
class _Reader:
    document: Any = None
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            size = 1 + len(event.value) // _CHARACTERS_A_NODE
            self._note(event.anchor, value, size)
            self._add(value, size, event, _place(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            value = PlacedMapping() if isinstance(event, yaml.MappingStartEvent) else PlacedList()
            if self.open and self.open[-1].wants_key:
                raise _at(event, "a key is a text")
            self.open.append(_Open(value, _place(event), event.anchor))
            if len(self.open) > _DEEPEST:
                raise _at(event, f"nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            _merge(done)
            self._note(done.anchor, done.value, done.size)
            self._add(done.value, done.size, event, done.place)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise _at(event, f"the alias *{event.anchor} stands for nothing before it")
            self._add(*self.anchors[event.anchor], event, _place(event))

    def _scalar(self, event: Any) -> Any:
        if not self.open or not self.open[-1].wants_key:
            return _plain(event)
        return _MERGE if event.value == "<<" and event.implicit[0] else event.value

    def _note(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)

    def _add(self, value: Any, size: int, event: Any, place: Place) -> None:
        if not self.open:
            self.document = value
            return
        parent = self.open[-1]
        parent.size += size
        if parent.size > _MOST_NODES:
            raise _at(event, "the text is too large once its aliases are written out")
        if isinstance(parent.value, PlacedList):
            parent.value.append(value)
            parent.value.places.append(place)
        elif parent.key is _NO_KEY:
            if value is not _MERGE and not isinstance(value, str):
                raise _at(event, "a key is a text")
            if value in parent.value:
                raise _at(event, f"the key {value[:50]!r} is there twice")
            parent.key, parent.key_place = value, place
        elif parent.key is _MERGE:
            parent.merged += _mergeable(value, event)
            parent.key = _NO_KEY
        else:
            parent.value[parent.key] = value
            parent.value.places[parent.key] = (parent.key_place, place)
            parent.key = _NO_KEY


def read_rule_text(text: str) -> Any:
    """Return what a YAML or JSON text says: texts, numbers, placed lists and placed mappings.

    Raises:
        TextUnreadableError: it is not YAML, or too deep or too large.
    """
    reader = _Reader()
    documents = 0
    try:
        for event in yaml.parse(_without_surrogates(text), Loader=yaml.CSafeLoader):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _at(event, "more than one document")
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else _NOWHERE
        raise TextUnreadableError(f"not YAML: {error.problem or error.context}", *place) from error
    except yaml.YAMLError as error:
        raise TextUnreadableError(f"not YAML: {str(error).splitlines()[0]}") from error
    return reader.document


def _without_surrogates(text: str) -> str:
    """JSON has but escapes of four digits, and writes an emoji as two of them: YAML has longer."""
    if not text.lstrip().startswith("{"):
        return text
    return _SURROGATES.sub(_longer_escape, text)


def _longer_escape(found: re.Match[str]) -> str:
    high, low = int(found[2], 16), int(found[3], 16)
    return f"{found[1]}\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"


@dataclass(frozen=True, slots=True)
class WrittenOut:
    """JSON with a value a line; `places` says where each line's key and value were read."""

    text: str
    places: tuple[tuple[Place, Place], ...]

    def origin(self, line: int, column: int) -> Place:
        """Return what place of the text one in the JSON is from."""
        if not 0 < line <= len(self.places):
            return _NOWHERE
        return self.places[line - 1][column > 1]


def write_out(document: Any) -> WrittenOut:
    """Write a document as JSON; what was not read is where that stands which holds it."""
    text = json.dumps(document, indent=0)
    return WrittenOut(text, tuple(_line_places(document, (_NOWHERE, _NOWHERE))))


def _line_places(value: Any, place: tuple[Place, Place]) -> Iterator[tuple[Place, Place]]:
    """Yield the places of the lines that `json.dumps` makes of a value when it indents."""
    yield place
    if not value or not isinstance(value, dict | list):
        return
    if isinstance(value, dict):
        places = value.places if isinstance(value, PlacedMapping) else {}
        for key, each in value.items():
            yield from _line_places(each, places.get(key, place))
    else:
        places = value.places if isinstance(value, PlacedList) else [place[1]] * len(value)
        for at, each in zip(places, value, strict=True):
            yield from _line_places(each, (at, at))
    yield place


def _mergeable(value: Any, event: Any) -> list[PlacedMapping]:
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(each, PlacedMapping) for each in mappings):
        raise _at(event, "`<<` takes a mapping, or a list of mappings")
    return mappings


def _merge(done: _Open) -> None:
    """Add what `<<` brings: what the mapping says itself counts more, then what came first."""
    for source in done.merged:
        for key, value in source.items():
            if isinstance(done.value, PlacedMapping) and key not in done.value:
                done.value[key] = value
                done.value.places[key] = source.places[key]


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


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _at(event: Any, message: str) -> TextUnreadableError:
    return TextUnreadableError(message, *_place(event))
