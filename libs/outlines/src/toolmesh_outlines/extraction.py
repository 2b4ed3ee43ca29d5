"""Reads a file's outline out of its syntax tree.

Each language has a query file of our own in `queries/`, with these captures:

- `@definition.<kind>` a definition, `@name` its name, `@body` where its header ends;
- `@import` what is imported, `@import.item` a name taken out of it;
- `@reference` a use of a name; `@reference.member` marks those that are members of something, as
  after a dot; `@reference.certain` those that no local variable can be: what is called, a type;
  `@ignore` what is no use after all;
- `@member` and `@certain` a use with its mark in one, where all nodes of a type are such: each
  capture takes as long as the walk over some nodes;
- `@local` a name that is bound in the file: a parameter, a variable. Uses of it count only where
  they are certain, which keeps a variable `path` from looking like a use of some function `path`.

The part of a query file before the line `; Uses` is matched (name and definition belong together),
the part after it is only captured, which is several times as fast.

Nothing here recurses, so the depth of a tree costs no stack. There is no time limit here either:
the process that runs this ends when it takes too long (in 0.26, tree-sitter's own progress callback
costs a fifth of the speed when parsing, and crashes when querying).
"""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Container

from tree_sitter import Node, QueryCursor

from toolmesh_outlines.blanking import blanked
from toolmesh_outlines.definitions import MAX_NAME_BYTES, Found, arranged, found_in
from toolmesh_outlines.doc_comments import DocComments
from toolmesh_outlines.grammars import grammar_of
from toolmesh_outlines.imports import import_paths
from toolmesh_outlines.languages import Language, language_named
from toolmesh_outlines.outline import Outline
from toolmesh_outlines.readability import is_generated, is_minified, unreadable_reason
from toolmesh_outlines.sql_definitions import sql_definitions

_QUOTES = "\"'"
# In minified code, shorter names are what a program chose.
_MIN_MINIFIED_NAME = 3


def extract_outline(source: bytes, language_name: str, *, with_uses: bool = True) -> Outline:
    """Return the outline of `source`, which is in the language of that name.

    Never fails on any content: what cannot be read as code gives an outline that says why. Without
    its uses, which are left empty then, it takes a quarter less time.
    """
    # Grammars skip the mark of the encoding; what looks at the text itself does not.
    source = source.removeprefix(BOM_UTF8)
    if reason := unreadable_reason(source):
        return Outline(skipped=reason)
    language = language_named(language_name)
    grammar = grammar_of(language)
    source = blanked(source, language_name)
    root = grammar.parser.parse(source).root_node
    found: list[Found] = []
    imports: dict[str, None] = {}
    cursor = QueryCursor(grammar.definitions)
    if language.definition_depth:
        cursor.set_max_start_depth(language.definition_depth)
    for pattern, captures in cursor.matches(root):
        if kind := grammar.kinds[pattern]:
            found.extend(found_in(captures, kind, source, language))
        else:
            imports.update(dict.fromkeys(_imports(captures, source, language)))
    if minified := is_minified(source):
        found = [item for item in found if len(item.name) >= _MIN_MINIFIED_NAME]
    uses = QueryCursor(grammar.uses).captures(root) if with_uses and not minified else {}
    references, members = _references(uses, found, source, language)
    if language_name == "sql":
        definitions = sql_definitions(source, DocComments(source, language))
        for definition in definitions:
            references.pop(definition.name, None)
    else:
        definitions = arranged(found, source, language)
    return Outline(
        definitions=definitions,
        references=references,
        members=members,
        imports=tuple(imports),
        is_generated=is_generated(source),
        is_minified=minified,
    )


def _imports(captures: dict[str, list[Node]], source: bytes, language: Language) -> list[str]:
    def text(capture: str) -> str:
        nodes = captures.get(capture)
        return source[nodes[0].start_byte : nodes[0].end_byte].decode() if nodes else ""

    if beside := text("import.relative") or text("import.submodule"):
        return [f"./{beside.strip(_QUOTES)}"]
    return import_paths(text("import"), text("import.item"), language)


def _references(
    uses: dict[str, list[Node]], found: list[Found], source: bytes, language: Language
) -> tuple[dict[str, int], dict[str, int]]:
    """Count the uses of names that stand alone, and of those that are members."""

    def names(capture: str, without: Container[int] = ()) -> list[bytes]:
        return [
            source[start : node.end_byte]
            for node in uses.get(capture, ())
            if (start := node.start_byte) not in without
        ]

    # A definition's own name is an identifier too, where the grammar says so.
    own = {item.name_start for item in found}
    members = Counter(names("reference.member"))
    alone = Counter(names("reference", own) + names("certain", own))
    alone.subtract(members)
    alone.subtract(names("ignore"))
    certain = Counter(names("reference.certain") + names("certain"))
    for name in set(names("local")) & alone.keys():
        alone[name] = certain[name]
    members.update(names("member"))
    if separator := language.name_separator.encode():
        alone = _last_parts(alone, separator)
    return _as_text(alone), _as_text(members)


def _last_parts(counts: Counter[bytes], separator: bytes) -> Counter[bytes]:
    parts: Counter[bytes] = Counter()
    for name, count in counts.items():
        parts[name.rpartition(separator)[2]] += count
    return parts


def _as_text(counts: Counter[bytes]) -> dict[str, int]:
    return {
        name.decode(): count
        for name, count in counts.items()
        if count > 0 and len(name) <= MAX_NAME_BYTES
    }
