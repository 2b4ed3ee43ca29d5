"""Turns what a request names and asks into where the ranking starts and what it adds."""

import re
from collections.abc import Collection, Sequence

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.paths import Role
from toolmesh_repomap.question import QuestionMatcher, Relevance
from toolmesh_repomap.ranking import Steering
from toolmesh_repomap.reference_graph import Floats, ReferenceGraph, sums
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.words import words_of

# How much of the start files' weight each way of steering takes from what was there before.
_FOCUS_SHARE = 0.9
_MENTION_SHARE = 0.5
_QUESTION_SHARE = 0.5
# What a mentioned name's definitions get for being mentioned, parted among them: more than any file
# passes on to one name.
_MENTION_SCORE = 1.0
# What the definitions of the files that a question is about get, all together.
_QUESTION_SCORE = 3.0
# Files count by this power of their relevance, those under this part of the best not at all.
_QUESTION_POWER = 4.0
_QUESTION_LEAST = 0.15
# Within a file: what each definition counts, beside the words that it shares with the question.
_ANY_DEFINITION = 0.05
_TEST_WORDS = frozenset(
    words_of("test tests testing tested spec specs fixture fixtures mock mocks")
)
_ROLE_RELEVANCE = np.array([1.0, 0.6, 0.3, 0.3, 0.6])
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_COMPOUND = re.compile(r"[A-Za-z0-9]_[A-Za-z0-9]|[a-z0-9][A-Z]|[A-Z]{2}[a-z]")


def steer(
    corpus: Corpus,
    graph: ReferenceGraph,
    matcher: QuestionMatcher | None,
    *,
    focus: Sequence[int] = (),
    mentioned: Collection[str] = (),
    question: str = "",
) -> Steering | None:
    """Return what a request is about; None when it is about nothing that the corpus has.

    `focus` are rows, `mentioned` names. The matcher is needed for a question alone.
    """
    row_count = corpus.file_count
    start = np.zeros(row_count)
    definition_scores: Floats | float = 0.0
    file_scores: Floats | float = 0.0
    wanted: list[Ints] = []
    shares = 1.0
    place_scores: Floats | float = 0.0
    names = dict.fromkeys([*mentioned, *_identifiers(question)])
    places = np.array(
        [place for name in names for symbol in corpus.symbols_named(name)
         for place in graph.places_of(symbol)],
        dtype=np.int64,
    )  # fmt: skip
    relevance = matcher.match(question) if matcher is not None and question else None
    if relevance is not None and relevance.rows.any():
        if not _TEST_WORDS.isdisjoint(words_of(question)):
            roles = np.where(corpus.roles == Role.TEST, 1.0, _ROLE_RELEVANCE[corpus.roles])
        else:
            roles = _ROLE_RELEVANCE[corpus.roles]
        rows = _file_shares(relevance.rows * roles)
        file_scores = _QUESTION_SCORE * rows
        definition_scores = _QUESTION_SCORE * _definition_shares(corpus, rows, relevance)
        start += _QUESTION_SHARE * rows
        shares *= 1 - _QUESTION_SHARE
    if len(places):
        sizes = np.bincount(graph.place_symbols[places])[graph.place_symbols[places]]
        place_scores = sums(_MENTION_SCORE / sizes, places, len(graph.place_rows))
        rows = np.bincount(graph.place_rows[places], 1 / sizes, minlength=row_count)
        start = (1 - _MENTION_SHARE) * start + _MENTION_SHARE * rows / rows.sum()
        shares *= 1 - _MENTION_SHARE
        wanted.append(graph.place_rows[places])
    if len(focus):
        at = np.unique(np.array(focus))
        start *= 1 - _FOCUS_SHARE
        start[at] += _FOCUS_SHARE / len(at)
        shares *= 1 - _FOCUS_SHARE
        wanted.append(at)
    if shares == 1:
        return None
    return Steering(
        start=start,
        share=1 - shares,
        place_scores=place_scores,
        definition_scores=definition_scores,
        file_scores=file_scores,
        wanted=np.concatenate(wanted) if wanted else np.zeros(0, dtype=np.int64),
    )


def _identifiers(question: str) -> list[str]:
    """Return what can only be names of code in a question."""
    return [word for word in _IDENTIFIER.findall(question) if _COMPOUND.search(word)]


def _file_shares(relevance: Floats) -> Floats:
    """Return each file's part of what a question gives, which sums to 1."""
    best = relevance.max()
    shares = np.where(relevance > _QUESTION_LEAST * best, relevance / best, 0.0) ** _QUESTION_POWER
    return shares / shares.sum()


def _definition_shares(corpus: Corpus, rows: Floats, relevance: Relevance) -> Floats:
    """Part what files have among their definitions, by the words of their names."""
    columns = corpus.columns
    counts = np.diff(columns.definition_first)
    of_row = np.repeat(np.arange(corpus.file_count), counts)
    matches = relevance.symbols[columns.definition_symbol]
    matches = matches / max(relevance.symbols.max(), 1e-9) + _ANY_DEFINITION
    sums = np.bincount(of_row, matches, minlength=corpus.file_count)
    return (rows / np.maximum(sums, 1e-9))[of_row] * matches
