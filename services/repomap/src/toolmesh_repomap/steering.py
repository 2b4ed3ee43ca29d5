"""Turns what a request names and asks into where the ranking starts and what it adds."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.paths import Role
from toolmesh_repomap.question import QuestionMatcher, Relevance
from toolmesh_repomap.ranking import Steering
from toolmesh_repomap.reference_graph import ReferenceGraph, sums
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.use_readings import Floats, members
from toolmesh_repomap.words import words_of

# How much of the start files' weight each way of steering takes from what was there before.
_FOCUS_SHARE = 0.9
_MENTION_SHARE = 0.5
_QUESTION_SHARE = 0.8
# What a mentioned name's definitions get for being mentioned, parted among them: more than any file
# passes on to one name.
_MENTION_SCORE = 1.0
# What the definitions of the files that a question is about get, all together.
_QUESTION_SCORE = 3.0
# Files count by this power of their relevance, those under this part of the best not at all.
_QUESTION_POWER = 5.0
_QUESTION_LEAST = 0.15
# Within a file: what each definition counts, beside the words that it shares with the question.
_ANY_DEFINITION = 0.03
_OUTER_SHARE = 0.5
_LENGTH_FACTOR = 0.3
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
    parts: list[_Part] = []
    if matcher is not None and question:
        relevance = matcher.match(question)
        if relevance.rows.any():
            parts.append(_about_question(corpus, relevance, question))
    if symbols := corpus.symbols_named(*dict.fromkeys([*mentioned, *_identifiers(question)])):
        part = _about_names(graph, corpus.file_count, symbols)
        if part.start.any():
            parts.append(part)
    if len(focus):
        start = np.zeros(corpus.file_count)
        start[list(focus)] = 1.0
        parts.append(_Part(start, _FOCUS_SHARE, wanted=np.flatnonzero(start)))
    return _together(parts) if parts else None


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one way of steering says; it takes `share` of the start from those before it."""

    start: Floats
    share: float
    wanted: Ints
    place_scores: Floats | float = 0.0
    definition_scores: Floats | float = 0.0
    file_scores: Floats | float = 0.0


def _together(parts: Sequence[_Part]) -> Steering:
    start = np.zeros_like(parts[0].start)
    left = 1.0
    for part in parts:
        start = (1 - part.share) * start + part.share * part.start / part.start.sum()
        left *= 1 - part.share
    return Steering(
        start=start,
        share=1 - left,
        place_scores=sum(part.place_scores for part in parts),
        definition_scores=sum(part.definition_scores for part in parts),
        file_scores=sum(part.file_scores for part in parts),
        wanted=np.concatenate([part.wanted for part in parts]),
    )


def _about_names(graph: ReferenceGraph, row_count: int, symbols: Sequence[int]) -> _Part:
    """Start at the files that define the symbols, and add to their places."""
    wanted = np.array(symbols, dtype=np.int64)
    places, counts = members(graph.place_first, wanted)
    parts = np.repeat(1 / np.maximum(counts, 1), counts)
    rows = graph.place_rows[places]
    return _Part(
        start=sums(parts, rows, row_count),
        share=_MENTION_SHARE,
        wanted=rows,
        place_scores=sums(_MENTION_SCORE * parts, places, len(graph.place_rows)),
    )


def _about_question(corpus: Corpus, relevance: Relevance, question: str) -> _Part:
    """Start at the files that match best, and add to those of their definitions that do."""
    factors = _ROLE_RELEVANCE[corpus.roles]
    if not _TEST_WORDS.isdisjoint(words_of(question)):
        factors[corpus.roles == Role.TEST] = 1.0
    rows = _file_shares(relevance.rows * factors)
    return _Part(
        start=rows,
        share=_QUESTION_SHARE,
        wanted=np.zeros(0, dtype=np.int64),
        definition_scores=_QUESTION_SCORE * _definition_shares(corpus, rows, relevance),
        file_scores=_QUESTION_SCORE * rows,
    )


def _identifiers(question: str) -> list[str]:
    """Return what can only be names of code in a question."""
    return [word for word in _IDENTIFIER.findall(question) if _COMPOUND.search(word)]


def _file_shares(relevance: Floats) -> Floats:
    """Return each file's part of what a question gives, which sums to 1."""
    best = relevance.max()
    shares = np.zeros_like(relevance)
    good = np.flatnonzero(relevance > _QUESTION_LEAST * best)
    shares[good] = (relevance[good] / best) ** _QUESTION_POWER
    return shares / shares.sum()


def _definition_shares(corpus: Corpus, rows: Floats, relevance: Relevance) -> Floats:
    """Part what files have among their definitions, by the words of their names."""
    columns = corpus.columns
    chosen = np.flatnonzero(rows)
    definitions, _ = members(columns.definition_first, chosen)
    of_row = columns.definition_row.take(definitions)
    outer = columns.definition_outer.take(definitions)
    matches = relevance.definitions / max(relevance.definitions.max(), 1e-9)
    matches = matches.take(definitions) + np.where(outer >= 0, _OUTER_SHARE * matches[outer], 0.0)
    # A long definition has more to do with anything than a short one.
    lines = columns.definition_end_line[definitions] - columns.definition_line[definitions] + 1
    lines = np.maximum(lines, 1)
    matches = matches * (1 + _LENGTH_FACTOR * np.log2(lines)) + _ANY_DEFINITION * np.log2(lines + 1)
    sums = np.bincount(of_row, matches, minlength=corpus.file_count)
    shares = np.zeros(len(columns.definition_row))
    shares[definitions] = (rows / np.maximum(sums, 1e-9))[of_row] * matches
    return shares
