"""Reads a query: the words in it, and which of them are meant as identifiers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from toolmesh_codesearch.words import Vocabulary

_MOST_IDENTIFIERS = 32
# A name may begin with a dollar sign, and end with a mark: `$get`, `valid?`, `save!`.
_NAME = r"\$?[^\W\d][\w$]*"
_IDENTIFIER = re.compile(
    rf"(?P<quoted>`)?(?P<name>{_NAME}(?:(?:\.|::|->|\#){_NAME})*)"
    r"(?P<mark>[?!](?![\w.=?!]))?(?P<call>\()?"
)
_JOINT = re.compile(r"\.|::|->|\#")
# What no plain word has: an underscore within, or a capital after a small letter.
_COMPOUND = re.compile(r"[^\W_]_+[^\W_]|^_+\w|[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_SENTENCE_END = re.compile(r"[\s)\]\"']*$|[)\]\"']*\s+[A-Z]")


@dataclass(frozen=True, slots=True)
class Query:
    """What a query asks for.

    Attributes:
        text: as it was written.
        words: the words that say something, by term.
        identifiers: what is meant as a name, each as its parts: `Cart.add` is ("Cart", "add").
    """

    text: str
    words: Mapping[int, str]
    identifiers: tuple[tuple[str, ...], ...]


def read_query(text: str, vocabulary: Vocabulary, *, is_code: bool = False) -> Query:
    """Return what a query says; nothing in code is meant as a name to look for."""
    encoded = text.encode("utf-8", "replace")
    found = vocabulary.words_of(encoded)
    words: dict[int, str] = {}
    for start, length, term in zip(
        found.starts.tolist(), found.lengths.tolist(), found.terms.tolist(), strict=True
    ):
        word = encoded[start : start + length].decode("utf-8", "replace").lower()
        words.setdefault(term, word)
    return Query(text, words, () if is_code else _identifiers(text))


def _identifiers(text: str) -> tuple[tuple[str, ...], ...]:
    found: dict[tuple[str, ...], None] = {}
    for match in _IDENTIFIER.finditer(text):
        name, mark = match["name"], match["mark"] or ""
        parts = tuple(_JOINT.split(name))
        alone = name + mark == text.strip()
        marked = match["quoted"] or match["call"] or len(parts) > 1
        is_name = bool(alone or marked or _COMPOUND.search(name))
        has_dollar = "$" in name
        # After a plain word, a question's mark is no part of a name.
        asks = mark == "?" and _SENTENCE_END.match(text, match.end("mark"))
        if mark and (is_name or has_dollar or not asks):
            found[*parts[:-1], parts[-1] + mark] = None
        if is_name or has_dollar:
            found[parts] = None
        if is_name:
            found[tuple(part.lstrip("$") for part in parts)] = None
        if len(found) >= _MOST_IDENTIFIERS:
            break
    return tuple(found)[:_MOST_IDENTIFIERS]
