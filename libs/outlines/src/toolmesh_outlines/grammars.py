"""The grammars with their compiled queries, each loaded when a file first needs it."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

import tree_sitter_language_pack
from tree_sitter import Parser, Query

from toolmesh_outlines.languages import Language
from toolmesh_outlines.outline import Kind

_QUERIES = Path(__file__).parent / "queries"
_USES_MARK = "\n; Uses\n"
_DEFINITION = re.compile(rb"@(?:definition\.(\w+)|import\b)")


class Grammar(NamedTuple):
    """What reads one language: definitions and imports are matched, uses are only captured.

    `kinds` has what each pattern of `definitions` defines, None for an import.
    """

    parser: Parser
    definitions: Query
    kinds: tuple[Kind | None, ...]
    uses: Query


@cache
def load_grammar(name: str, query_files: tuple[str, ...]) -> Grammar:
    """Return the grammar of that name with the queries of those files joined."""
    # The pack types its names as a literal of all that it has; ours come from the table.
    grammar = tree_sitter_language_pack.get_language(
        cast("tree_sitter_language_pack.SupportedLanguage", name)
    )
    definitions: list[str] = []
    uses: list[str] = []
    for query_file in query_files:
        head, _, tail = (_QUERIES / f"{query_file}.scm").read_text().partition(_USES_MARK)
        definitions.append(head)
        uses.append(tail)
    text = "\n".join(definitions)
    query = Query(grammar, text)
    return Grammar(
        parser=Parser(grammar),
        definitions=query,
        kinds=_kinds(query, text.encode()),
        uses=Query(grammar, "\n".join(uses)),
    )


def _kinds(query: Query, text: bytes) -> tuple[Kind | None, ...]:
    return tuple(
        _kind(text[query.start_byte_for_pattern(index) : query.end_byte_for_pattern(index)])
        for index in range(query.pattern_count)
    )


def _kind(pattern: bytes) -> Kind | None:
    match = _DEFINITION.search(pattern)
    if match is None:
        raise ValueError(f"no definition and no import: {pattern.decode().strip()}")
    return Kind(match[1].decode()) if match[1] else None


def grammar_of(language: Language) -> Grammar:
    """Return the grammar of a language."""
    return load_grammar(language.grammar, language.queries)
