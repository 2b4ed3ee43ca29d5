"""The grammars with their compiled queries, each loaded when a file first needs it."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple, cast

import tree_sitter_language_pack
from tree_sitter import Parser, Query

from toolmesh_outlines.languages import Language

_USES_MARK = "\n; Uses\n"


class Grammar(NamedTuple):
    """What reads one language: definitions and imports are matched, uses are only captured."""

    parser: Parser
    definitions: Query
    uses: Query


@cache
def load_grammar(name: str, query_files: tuple[str, ...]) -> Grammar:
    """Return the grammar of that name with the queries of those files joined."""
    # The pack types its names as a literal of all that it has; ours come from the table.
    grammar = tree_sitter_language_pack.get_language(
        cast("tree_sitter_language_pack.SupportedLanguage", name)
    )
    folder = files("toolmesh_outlines") / "queries"
    definitions: list[str] = []
    uses: list[str] = []
    for query_file in query_files:
        head, _, tail = (folder / f"{query_file}.scm").read_text().partition(_USES_MARK)
        definitions.append(head)
        uses.append(tail)
    return Grammar(
        parser=Parser(grammar),
        definitions=Query(grammar, "\n".join(definitions)),
        uses=Query(grammar, "\n".join(uses)),
    )


def grammar_of(language: Language) -> Grammar:
    """Return the grammar of a language."""
    return load_grammar(language.grammar, language.queries)
