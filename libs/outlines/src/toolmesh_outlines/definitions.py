"""Orders the definitions that a query found: nesting, kinds, and what no other file can use."""

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from msgspec import structs
from tree_sitter import Node

from toolmesh_outlines.c_family import is_macro_call, operator_name
from toolmesh_outlines.doc_comments import DocComments
from toolmesh_outlines.languages import Language
from toolmesh_outlines.outline import CALLABLE_KINDS, CONTAINER_KINDS, MAX_DEPTH, Definition, Kind
from toolmesh_outlines.signatures import Header, signature_of

MAX_NAME_BYTES = 200

_LEAST_TELLING = frozenset({Kind.CLASS, Kind.CONSTANT, Kind.TYPE, Kind.VARIABLE})
_TEST_MODULES = frozenset({"test", "tests"})


class Found(NamedTuple):
    """A definition as the query found it; sorted by the first three fields, the outer come first.

    `order` lets the more telling of two finds with the same name win: a struct over a type.
    """

    start: int
    negative_end: int
    order: int
    name: str
    kind: Kind
    node: Node
    name_node: Node
    name_start: int
    body_start: int
    body_end: int


class _Around(NamedTuple):
    """A definition that the one at hand may lie in; place -1: it was dropped.

    `parent` is the place of what is told to stand around a definition in it, -1 for none, and
    `depth` tells how many do. `is_local` tells that what lies in it lies in a function.
    """

    start: int
    end: int
    place: int
    parent: int
    depth: int
    name: str
    kind: Kind
    is_local: bool


def found_in(
    captures: dict[str, list[Node]], kind: Kind, source: bytes, language: Language
) -> list[Found]:
    """Return the definitions of one match of that kind: one for each name in it."""
    node = captures[f"definition.{kind}"][0]
    start, end = node.byte_range
    body_start = body_end = end
    if bodies := captures.get("body"):
        body_start = min([body.start_byte for body in bodies])
        body_end = max([body.end_byte for body in bodies])
    order = int(kind in _LEAST_TELLING)
    found: list[Found] = []
    for name_node in captures.get("name", ()):
        name_start, name_end = name_node.byte_range
        name = source[name_start:name_end]
        if language.name == "cpp" and name.startswith(b"operator"):
            name = operator_name(name_node, source)
        # `_` is a name for what is not used, or for a translation function: everywhere and nowhere.
        if name and name != b"_" and len(name) <= MAX_NAME_BYTES:
            text = name.decode().lstrip(":")
            if language.name_separator:
                text = text.rpartition(language.name_separator)[2]
            span = (name_start, body_start, body_end)
            found.append(Found(start, -end, order, text, kind, node, name_node, *span))
    return found


def arranged(found: Iterable[Found], source: bytes, language: Language) -> tuple[Definition, ...]:
    """Return the definitions in order, each with its parent, without what no other file can use."""
    docs = DocComments(source, language)
    definitions: list[Definition] = []
    around: list[_Around] = []
    seen: set[int] = set()
    for item in sorted(found, key=itemgetter(0, 1, 2)):
        if item.name_start in seen:
            continue
        seen.add(item.name_start)
        start, end = item.start, -item.negative_end
        while around and not _contains(around[-1], start, end):
            around.pop()
        outer = around[-1] if around else None
        parent, depth = (outer.parent, outer.depth) if outer else (-1, 0)
        kind = _kind(item, outer, language)
        place = -1
        if not _is_hidden(item, kind, outer, language):
            signature = signature_of(
                Header(kind, item.node, item.name_start, item.body_start, item.body_end),
                source=source,
                language=language,
            )
            if not _is_import(signature, language):
                place = len(definitions)
                line, end_line = _lines(item)
                doc = _doc(item, docs, language)
                new = Definition(item.name, kind, line, end_line, signature, parent, doc)
                last = definitions[-1] if definitions else None
                if last and language.clauses and _is_clause(new, last):
                    place -= 1
                    definitions[-1] = structs.replace(last, end_line=end_line)
                else:
                    definitions.append(new)
        # What is nested deeper is told at that depth, one beside the other.
        if place >= 0 and depth < MAX_DEPTH:
            parent, depth = place, depth + 1
        is_local = kind in CALLABLE_KINDS or (outer is not None and outer.is_local)
        around.append(_Around(start, end, place, parent, depth, item.name, kind, is_local))
    return tuple(definitions)


def _contains(outer: _Around, start: int, end: int) -> bool:
    return outer.end > start and (outer.start != start or outer.end != end)


def _is_import(signature: str, language: Language) -> bool:
    """Tell whether a definition only gives an import a name."""
    if not language.import_value or "=" not in signature:
        return False
    return bool(re.search(rf"=\s*(?:{language.import_value})", signature))


def _doc(item: Found, docs: DocComments, language: Language) -> str:
    if language.name == "python" or (language.name == "elixir" and item.kind is Kind.MODULE):
        return docs.inside(item.body_start) or docs.above(item.node.start_point.row)
    doc = docs.above(item.node.start_point.row)
    if not doc and language.family == "ocaml":
        doc = docs.below(item.node.end_point.row)
    return doc


def _is_clause(new: Definition, last: Definition) -> bool:
    """Tell whether a definition goes on with what the one before it began."""
    return (new.name, new.kind, new.parent) == (last.name, last.kind, last.parent)


def _lines(item: Found) -> tuple[int, int]:
    """Return the first line of the header, and the last line; annotations come before the first."""
    # A typedef's name comes after the body.
    is_behind = item.name_start > item.body_start
    first = item.node.start_point if is_behind else item.name_node.start_point
    last = item.node.end_point
    return first.row + 1, last.row + (last.column > 0)


def _kind(item: Found, outer: _Around | None, language: Language) -> Kind:
    if (
        item.kind not in CALLABLE_KINDS
        or outer is None
        or outer.kind not in CONTAINER_KINDS
        or (outer.kind is Kind.MODULE and language.name != "ruby")
    ):
        return item.kind
    if item.name in language.constructors:
        return Kind.CONSTRUCTOR
    return Kind.METHOD if item.kind is Kind.FUNCTION else item.kind


def _is_hidden(item: Found, kind: Kind, outer: _Around | None, language: Language) -> bool:
    """Tell whether no other file can use the definition, or another one says the same."""
    if language.family == "c" and kind in CALLABLE_KINDS and item.name.isupper():
        is_constructor = outer is not None and outer.name == item.name.lstrip("~")
        if not is_constructor and is_macro_call(item.node, item.name_node):
            return True
    if language.name == "rust" and kind is Kind.MODULE and item.name in _TEST_MODULES:
        return True
    if outer is None:
        return False
    if _is_hidden_in(outer, item, kind):
        return True
    return outer.is_local and _is_below(item.node, language.local_depth)


def _is_below(node: Node | None, depth: int) -> bool:
    """Tell whether a node is more levels below the root than that; 0 stands for no limit."""
    for _ in range(depth + 1 if depth else 0):
        node = node.parent if node is not None else None
    return bool(depth) and node is not None


def _is_hidden_in(outer: _Around, item: Found, kind: Kind) -> bool:
    if outer.kind is Kind.MODULE:
        return outer.place < 0
    if outer.kind in CALLABLE_KINDS:
        return kind not in CONTAINER_KINDS
    if outer.kind is Kind.IMPLEMENTATION:
        return kind is Kind.TYPE
    # `typedef struct x {...} x`: the typedef says it all.
    return outer.kind is Kind.TYPE and outer.name == item.name
