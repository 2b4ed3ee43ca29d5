"""Finds what a question is about: files by BM25, and definitions by the words of their names.

A file is a document with four fields: its path, the names it defines, what comments say about
those, and the names it uses, all taken apart into words. Fields are weighed before the saturation,
as in BM25F (Robertson, Zaragoza and Taylor, "Simple BM25 extension to multiple weighted fields",
2004).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.integer_sorting import stable_order
from toolmesh_repomap.reference_graph import ReferenceGraph, sums
from toolmesh_repomap.stop_words import STOP_WORDS
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.use_readings import Floats, members
from toolmesh_repomap.words import words_of

_SATURATION = 1.2
_LENGTH_PART = 0.3
# What a comment's match counts beside that of a name, which it takes some words to equal.
_DOC_MATCH = 0.3
_LEAST_DOC = 50.0
_PATH_WEIGHT, _DEFINED_WEIGHT, _DOC_WEIGHT, _USED_WEIGHT = 4.0, 1.0, 0.3, 0.5
# Of a longer question the rarest words are looked at.
_MOST_WORDS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """How much each row and each definition has to do with a question; zeros when nothing has."""

    rows: Floats
    definitions: Floats


class QuestionMatcher:
    """Matches questions with one corpus."""

    def __init__(self, corpus: Corpus, graph: ReferenceGraph) -> None:
        columns = corpus.columns
        self._corpus = corpus
        self._graph = graph
        word_count = len(corpus.words)
        self._symbols_by_word = _Inverse(
            corpus.symbol_word, np.diff(corpus.symbol_word_first), word_count
        )
        self._rows_by_path_word = _Inverse(
            columns.path_word, np.diff(columns.path_word_first), word_count
        )
        self._definitions_by_doc_word = _Inverse(
            columns.doc_word, np.diff(columns.doc_word_first), word_count
        )
        self._uses_by_symbol = _Inverse(
            columns.use_symbol, np.diff(columns.use_first), len(corpus.symbols)
        )
        lengths = np.diff(columns.definition_first) * _DEFINED_WEIGHT
        lengths = lengths + np.diff(columns.use_first) * _USED_WEIGHT
        mean = lengths.mean() if len(lengths) else 1.0
        self._length_norms = 1 - _LENGTH_PART + _LENGTH_PART * lengths / max(mean, 1.0)
        self._name_idf = _idf(self._symbols_by_word.counts, len(corpus.symbols))
        self._doc_idf = _idf(self._definitions_by_doc_word.counts, len(columns.definition_symbol))
        self._name_totals = _sums_of_runs(
            self._name_idf[corpus.symbol_word], np.diff(corpus.symbol_word_first), least=1e-9
        )
        self._doc_totals = _sums_of_runs(
            self._doc_idf[columns.doc_word], np.diff(columns.doc_word_first), least=_LEAST_DOC
        )

    def match(self, question: str) -> Relevance:
        """Return what a question has to do with."""
        rows = np.zeros(self._corpus.file_count)
        names = np.zeros(len(self._corpus.symbols))
        docs = np.zeros(len(self._corpus.columns.definition_row))
        for word, count in self._words(question):
            holders = self._symbols_by_word.of(word)
            names[holders] += self._name_idf[word]
            told = self._definitions_by_doc_word.of(word)
            docs[told] += self._doc_idf[word]
            frequencies = self._frequencies(word, holders, told) / self._length_norms
            found = np.count_nonzero(frequencies)
            if found:
                idf = np.log1p((len(rows) - found + 0.5) / (found + 0.5))
                rows += np.sqrt(count) * idf * frequencies / (_SATURATION + frequencies)
        # A name that the question covers is worth more than one that shares a word with it.
        names *= names / self._name_totals
        docs *= docs / self._doc_totals
        names /= max(names.max(initial=0.0), 1e-9)
        docs /= max(docs.max(initial=0.0), 1e-9)
        definitions = names.take(self._corpus.columns.definition_symbol) + _DOC_MATCH * docs
        return Relevance(rows, definitions)

    def _words(self, question: str) -> list[tuple[int, int]]:
        """Return the words that are known, and how often each is in the question."""
        stems = Counter(stem for stem in words_of(question) if stem not in STOP_WORDS)
        known = [(self._corpus.words.find(stem), count) for stem, count in stems.items()]
        known = [(word, count) for word, count in known if word >= 0]
        known.sort(key=lambda pair: -self._name_idf[pair[0]])
        return known[:_MOST_WORDS]

    def _frequencies(self, word: int, symbols: Ints, told: Ints) -> Floats:
        """Return the weighed frequency of a word in each row.

        `symbols` have the word in their names, `told` are definitions with it in their comments.
        """
        graph, corpus = self._graph, self._corpus
        places, _ = members(graph.place_first, symbols)
        total = np.zeros(corpus.file_count)
        for weight, rows in (
            (_PATH_WEIGHT, self._rows_by_path_word.of(word)),
            (_DEFINED_WEIGHT, graph.place_rows.take(places)),
            (_DOC_WEIGHT, corpus.columns.definition_row.take(told)),
            (_USED_WEIGHT, self._uses_by_symbol.of_all(symbols)),
        ):
            if len(rows):
                total += weight * np.bincount(rows, minlength=len(total))
        return total


def _idf(counts: Ints, total: int) -> Floats:
    """Return how telling each word is, by how many of `total` have it."""
    return np.log1p(total / np.maximum(counts, 1))


def _sums_of_runs(values: Floats, counts: Ints, *, least: float) -> Floats:
    """Return the sums of the next `counts[i]` values each, or `least` where they are less."""
    totals = sums(values, np.repeat(np.arange(len(counts)), counts), len(counts))
    return np.maximum(totals, least, out=totals)


class _Inverse:
    """From values back to their holders: holder h has the next `counts[h]` of `values`."""

    def __init__(self, values: Ints, counts: Ints, value_count: int) -> None:
        holders = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._holders = holders[stable_order(values)]
        self.counts = np.bincount(values, minlength=value_count)
        self._first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(self.counts)))

    def of(self, value: int) -> Ints:
        """Return the holders of a value, in order."""
        return self._holders[self._first[value] : self._first[value + 1]]

    def of_all(self, values: Ints) -> Ints:
        """Return the holders of all these values."""
        return self._holders.take(members(self._first, values)[0])
