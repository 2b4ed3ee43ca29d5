"""Reads a file's outline out of its syntax tree.

Each language has a query file of our own in `queries/`, with these captures:

- `@definition.<kind>` a definition, `@name` its name, `@body` where its header ends;
- `@import` what is imported, `@import.item` a name taken out of it;
- `@reference` a use of a name; `@reference.member` marks those that are members of something, as
  after a dot; `@reference.certain` those that no local variable can be: what is called, a type;
  `@ignore` what is no use after all;
- `@local` a name that is bound in the file: a parameter, a variable. Uses of it count only where
  they are certain, which keeps a variable `path` from looking like a use of some function `path`.

The part of a query file before the line `; Uses` is matched (name and definition belong together),
the part after it is only captured, which is several times as fast.

Nothing here recurses, so the depth of a tree costs no stack. There is no time limit here either:
the process that runs this ends when it takes too long (in 0.26, tree-sitter's own progress callback
costs a fifth of the speed when parsing, and crashes when querying).
"""

import re
from collections import Counter

from tree_sitter import Node, QueryCursor

from toolmesh_outlines.definitions import MAX_NAME_BYTES, Found, arranged, found_in
from toolmesh_outlines.grammars import grammar_of
from toolmesh_outlines.imports import import_paths
from toolmesh_outlines.languages import Language, language_named
from toolmesh_outlines.outline import Outline
from toolmesh_outlines.readability import unreadable_reason

_C_FAMILY = frozenset({"c", "cpp"})

# `class API_EXPORT Name` and `API_EXPORT int name(...)`: without the preprocessor, the grammars
# take the macro for the name or for the type.
_MACROS = (
    re.compile(rb"\b(?:class|struct)\s+([A-Z][A-Z0-9_]+(?:\([^()\n]*\))?)\s+[A-Za-z_]\w*\s*[\w:{]"),
    re.compile(rb"\b(?:class|struct)\s+(__attribute__\s*\(\([^\n]*?\)\))"),
    re.compile(
        rb"^[ \t]*((?:[A-Z][A-Z0-9]*_)*(?:API|EXPORTS?|EXTERN|INLINE|PUBLIC|FUNC|DECL))"
        rb"[ \t]+(?=[A-Za-z_])",
        re.MULTILINE,
    ),
)


def extract_outline(source: bytes, language_name: str) -> Outline:
    """Return the outline of `source`, which is in the language of that name.

    Never fails on any content: what cannot be read as code gives an outline that says why.
    """
    if reason := unreadable_reason(source):
        return Outline(skipped=reason)
    language = language_named(language_name)
    grammar = grammar_of(language)
    if language_name in _C_FAMILY:
        source = _without_macros(source)
    root = grammar.parser.parse(source).root_node
    found: list[Found] = []
    imports: dict[str, None] = {}
    for _, captures in QueryCursor(grammar.definitions).matches(root):
        if "name" in captures:
            found.extend(found_in(captures, source))
        else:
            imports.update(dict.fromkeys(_imports(captures, source, language)))
    references, members = _references(QueryCursor(grammar.uses).captures(root), found, source)
    return Outline(
        definitions=arranged(found, source, language),
        references=references,
        members=members,
        imports=tuple(imports),
    )


def _without_macros(source: bytes) -> bytes:
    """Return the source with some macros replaced by blanks, so that all offsets stay the same."""
    blanked: bytearray | None = None
    for pattern in _MACROS:
        for match in pattern.finditer(source):
            blanked = bytearray(source) if blanked is None else blanked
            start, end = match.span(1)
            blanked[start:end] = b" " * (end - start)
    return source if blanked is None else bytes(blanked)


def _imports(captures: dict[str, list[Node]], source: bytes, language: Language) -> list[str]:
    def text(capture: str) -> str:
        nodes = captures.get(capture)
        return source[nodes[0].start_byte : nodes[0].end_byte].decode() if nodes else ""

    if beside := text("import.relative") or text("import.submodule"):
        return [f"./{beside}"]
    return import_paths(text("import"), text("import.item"), language)


def _references(
    uses: dict[str, list[Node]], found: list[Found], source: bytes
) -> tuple[dict[str, int], dict[str, int]]:
    """Count the uses of names that stand alone, and of those that are members."""

    def names(capture: str) -> list[bytes]:
        return [source[node.start_byte : node.end_byte] for node in uses.get(capture, ())]

    members = Counter(names("reference.member"))
    alone = Counter(names("reference"))
    alone.subtract(members)
    alone.subtract(names("ignore"))
    # A definition's own name is an identifier too, where the grammar says so.
    own_names = (source[slice(*span)] for span in {item.name_node.byte_range for item in found})
    alone.subtract(name for name in own_names if name in alone)
    certain = Counter(names("reference.certain"))
    for name in set(names("local")) & alone.keys():
        alone[name] = certain[name]
    return _as_text(alone), _as_text(members)


def _as_text(counts: Counter[bytes]) -> dict[str, int]:
    return {
        name.decode(): count
        for name, count in counts.items()
        if count > 0 and len(name) <= MAX_NAME_BYTES
    }
