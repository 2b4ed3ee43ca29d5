"""Takes the strings out of a corpus that nothing in it has.

A corpus that is made from an earlier one begins with all strings of that. Those that no file has
any more would be told as like what is asked for, would weigh in how telling words are, and would
pile up from edit to edit.
"""

from dataclasses import replace

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.integer_sorting import used_numbers
from toolmesh_repomap.string_table import Ints


def without_unused(corpus: Corpus) -> tuple[Corpus, Ints]:
    """Return a corpus without its unused strings, and the number that each symbol has there.

    A symbol that is not there has the number after the last. What is left stays in order.
    """
    corpus, numbers = _with_used_symbols(corpus)
    # With a symbol its words may go, so these come later.
    return _with_used_imports(_with_used_words(corpus)), numbers


def _with_used_symbols(corpus: Corpus) -> tuple[Corpus, Ints]:
    columns = corpus.columns
    used, numbers = used_numbers(len(corpus.symbols), columns.definition_symbol, columns.use_symbol)
    if used.all():
        return corpus, numbers
    counts = np.diff(corpus.symbol_word_first)
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts[used])))
    columns = replace(
        columns,
        definition_symbol=numbers[columns.definition_symbol],
        use_symbol=numbers[columns.use_symbol],
    )
    corpus = replace(
        corpus,
        columns=columns,
        symbols=corpus.symbols.only(used),
        symbol_form=corpus.symbol_form[used],
        symbol_word_first=first,
        symbol_word=corpus.symbol_word[np.repeat(used, counts)],
    )
    return corpus, numbers


def _with_used_words(corpus: Corpus) -> Corpus:
    columns = corpus.columns
    used, numbers = used_numbers(
        len(corpus.words), corpus.symbol_word, columns.doc_word, columns.path_word
    )
    if used.all():
        return corpus
    columns = replace(
        columns, doc_word=numbers[columns.doc_word], path_word=numbers[columns.path_word]
    )
    return replace(
        corpus,
        columns=columns,
        words=corpus.words.only(used),
        symbol_word=numbers[corpus.symbol_word],
    )


def _with_used_imports(corpus: Corpus) -> Corpus:
    columns = corpus.columns
    used, numbers = used_numbers(len(corpus.import_paths), columns.import_path)
    if used.all():
        return corpus
    columns = replace(columns, import_path=numbers[columns.import_path])
    return replace(corpus, columns=columns, import_paths=corpus.import_paths.only(used))
