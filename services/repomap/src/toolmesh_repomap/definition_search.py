"""Finds the definitions of a name, the most likely first."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from toolmesh_outlines.outline import Kind
from toolmesh_repomap.corpus import KINDS
from toolmesh_repomap.errors import FilterInvalid
from toolmesh_repomap.file_filter import FileFilter
from toolmesh_repomap.indexing import SnapshotIndex
from toolmesh_repomap.paths import Role
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.symbol_names import QualifiedName, read_name, similar_names, symbols_of

_MOST_CONTAINERS = 5
# What a folder's own file is called.
_FOLDER_FILES = frozenset({"__init__", "index", "mod", "lib", "main"})
_ROLE_ORDER = {Role.CODE: 0, Role.EXAMPLE: 1, Role.TEST: 1, Role.GENERATED: 2, Role.VENDORED: 2}
_WORD = re.compile(r"\w+")
# `Type::`, `Type<T>.`, `(t *Type[T]) `.
_RECEIVER = re.compile(r"(\w+)(?:<[^<>]*>|\[[^\[\]]*\])?(?:::~?|[.:]|\)\s)$")


@dataclass(frozen=True, slots=True)
class NameQuestion:
    """Which name, and where to look; `kinds` are those of definitions, empty for all."""

    name: str
    ignore_case: bool = False
    kinds: frozenset[Kind] = frozenset()
    files: FileFilter = field(default_factory=FileFilter)


@dataclass(frozen=True, slots=True)
class FoundDefinitions:
    """Definitions by number in the corpus; with none, names that are like the one asked for."""

    definitions: tuple[int, ...] = ()
    similar: tuple[str, ...] = ()


def kinds_named(names: Sequence[str]) -> frozenset[Kind]:
    """Return kinds by name.

    Raises:
        FilterInvalid: there is no such kind.
    """
    for index, name in enumerate(names):
        if name.lower() not in set(Kind):
            known = ", ".join(Kind)
            raise FilterInvalid.at(f"kinds[{index}]", f"{name!r} is not one of {known}")
    return frozenset(Kind(name.lower()) for name in names)


def search_definitions(index: SnapshotIndex, question: NameQuestion) -> FoundDefinitions:
    """Return the definitions that a question means.

    First come those whose enclosing definitions and path end as the name's qualifiers say; when
    there are any, others do not count. Then it is code before tests and before generated code, and
    by how many files use them.
    """
    corpus = index.corpus
    name, found = _named(index, question)
    if not len(found):
        is_defined = np.diff(index.graph.place_first) > 0
        return FoundDefinitions(similar=tuple(similar_names(corpus, name.name, is_defined)))
    if name.qualifiers:
        all_found = found
        found = _qualified(index, name, found)
        if not len(found):
            return FoundDefinitions(similar=_containers(index, all_found))
    found = found[question.files.among(corpus, corpus.definition_rows(found))]
    if question.kinds:
        wanted = [number for number, kind in enumerate(KINDS) if kind in question.kinds]
        found = found[np.isin(corpus.columns.definition_kind[found], wanted)]
    return FoundDefinitions(tuple(_ranked(index, found)))


def used_by_count(index: SnapshotIndex, definition: int) -> int:
    """Return how many other files use a definition's name and probably mean it."""
    place = index.graph.definition_places.item(definition)
    return index.place_users.item(place) if place >= 0 else 0


def _named(index: SnapshotIndex, question: NameQuestion) -> tuple[QualifiedName, Ints]:
    # An operator may look as if it had qualifiers.
    readings = dict.fromkeys((QualifiedName(question.name.strip()), read_name(question.name)))
    name, found = QualifiedName(""), np.zeros(0, dtype=np.int64)
    for name in readings:
        symbols = symbols_of(index.corpus, name.name, ignore_case=question.ignore_case)
        if symbols:
            found = np.flatnonzero(np.isin(index.corpus.columns.definition_symbol, symbols))
        if len(found):
            break
    return name, found


def _qualified(index: SnapshotIndex, name: QualifiedName, definitions: Ints) -> Ints:
    wanted = [qualifier.casefold() for qualifier in name.qualifiers]
    scopes = [_scope(index, definition) for definition in definitions.tolist()]
    tight = [scope[-len(wanted) :] == wanted for scope in scopes]
    matches = tight if any(tight) else [_is_within(wanted, scope) for scope in scopes]
    return definitions[np.array(matches, dtype=bool)]


def _is_within(wanted: Sequence[str], scope: Iterable[str]) -> bool:
    """Tell whether the wanted names are in the scope in their order, with others between them."""
    rest = iter(scope)
    return all(name in rest for name in wanted)


def _scope(index: SnapshotIndex, definition: int) -> list[str]:
    """Return the folders, the file and the definitions that one stands in, without case."""
    corpus = index.corpus
    path = PurePosixPath(corpus.paths[corpus.row_of(definition)])
    parts = [*path.parent.parts, path.name.split(".", 1)[0]]
    if parts[-1] in _FOLDER_FILES and len(parts) > 1:
        parts.pop()
    return [part.casefold() for part in (*parts, *_enclosing(index, definition))]


def _enclosing(index: SnapshotIndex, definition: int) -> list[str]:
    """Return the names around a definition, the outermost first."""
    corpus, symbols = index.corpus, index.corpus.columns.definition_symbol
    names = [corpus.name(symbols.item(outer)) for outer in reversed(corpus.around(definition))]
    if not names:
        return _receiver(corpus.name(symbols.item(definition)), corpus.signature(definition))
    # An implementation block is called as its type is written, with parameters.
    return [word[0] if (word := _WORD.match(name)) else name for name in names]


def _receiver(name: str, signature: str) -> list[str]:
    """Return the type before the name, as Go's methods, C++'s and those of extensions have it."""
    for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", signature):
        before = signature[: match.start()]
        is_header = before.count("(") == before.count(")")
        if is_header and (receiver := _RECEIVER.search(before)):
            return [receiver[1]]
    return []


def _containers(index: SnapshotIndex, definitions: Ints) -> tuple[str, ...]:
    """Return the names of definitions with what they stand in."""
    corpus = index.corpus
    names: dict[str, None] = {}
    for definition in _ranked(index, definitions):
        name = corpus.name(corpus.columns.definition_symbol.item(definition))
        names[".".join((*_enclosing(index, definition), name))] = None
    return tuple(names)[:_MOST_CONTAINERS]


def _ranked(index: SnapshotIndex, definitions: Ints) -> list[int]:
    corpus = index.corpus
    roles = corpus.roles[corpus.definition_rows(definitions)].tolist()
    order = {
        definition: (_ROLE_ORDER[Role(role)], -used_by_count(index, definition), definition)
        for definition, role in zip(definitions.tolist(), roles, strict=True)
    }
    return sorted(order, key=order.__getitem__)
