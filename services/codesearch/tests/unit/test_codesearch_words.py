"""Words are told apart by the forms that identifiers have, and known by their stems."""

import pytest

from toolmesh_codesearch.words import NO_TERM, Vocabulary, term_of


def _words(text: str) -> list[str]:
    encoded = text.encode()
    found = Vocabulary().words_of(encoded)
    spans = zip(found.starts.tolist(), found.lengths.tolist(), strict=True)
    return [encoded[start : start + length].decode() for start, length in spans]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPServer_getModels2", ["HTTP", "Server", "get", "Models"]),
        ("parse_URL(rawURL)", ["parse", "URL", "raw", "URL"]),
        ("sha256 of 1234567 x", ["sha", "256"]),
        ("größe naïve", ["größe", "naïve"]),
        ("", []),
        ("()+-", []),
        ("a" * 41 + " word", ["word"]),
        ("the self return", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    """Case, digits, underscores and length decide what a word is; stop words are left out."""
    assert _words(text) == words


def test_forms_of_a_word_are_one_term() -> None:
    """A word and its forms share a term, whatever their case, and other words do not."""
    words = Vocabulary().words_of(b"validate Validator VALIDATION validating value")
    *forms, other = words.terms.tolist()
    assert len(set(forms)) == 1
    assert other != forms[0]


def test_a_vocabulary_gives_every_time_the_same_terms() -> None:
    """What was met before, in whichever text, has the term that it has by itself."""
    vocabulary = Vocabulary()
    first = vocabulary.words_of(b"cached blob uploads")
    again = vocabulary.words_of(b"uploads, cached: blob")
    assert set(first.terms.tolist()) == set(again.terms.tolist())
    assert first.terms.tolist() == [term_of(word) for word in ("cached", "blob", "uploads")]
    assert term_of("the") == NO_TERM
