"""Units are scored by words, and what is not read by the words of its path."""

import numpy as np

from toolmesh_codesearch.columns import IndexedFile, make_columns
from toolmesh_codesearch.parts import SourceFile, make_parts
from toolmesh_codesearch.word_scores import WordScorer
from toolmesh_codesearch.words import Vocabulary
from toolmesh_outlines.outline import Outline

_VOCABULARY = Vocabulary()


def _scores(query: str, **files: bytes) -> list[float]:
    sources = [SourceFile(content, "", Outline()) for content in files.values()]
    parts = [made.part for made in make_parts(sources, _VOCABULARY)]
    indexed = [IndexedFile(path, bytes(32), "") for path in files]
    scorer = WordScorer(make_columns(indexed, parts, _VOCABULARY))
    return scorer.score(_VOCABULARY.words_of(query.encode()).terms.tolist()).scores.tolist()


def test_what_is_not_read_changes_no_other_score() -> None:
    """However well its path fits, and however little else does; nor is it the best by it."""
    others = {"giant": b"a ledger", "notes": b"giants and ledgers", "plain": b"nothing"}
    for query in ("giant", "ledger of giants", "giant book of pages"):
        *expected, none = _scores(query, **others, unnamed=b"\0")
        *scores, unread = _scores(query, **others, giant_book_of_pages=b"\0")
        assert scores == expected
        assert none == 0 < unread <= max(scores)


def test_a_path_alone_is_no_hit_for_what_is_read() -> None:
    """An empty file, and one with other words, are not found by their paths; unread ones are."""
    scores = _scores("giant", giant=b"", giant_a=b"other words", giant_b=b"\xff", b=b"\0")
    assert np.flatnonzero(scores).tolist() == [2]
