"""Takes identifiers, paths and questions apart into words that can be compared.

`HTTPServer_getModels` and "getting models from HTTP servers" share the words `http`, `server`,
`get` and `model`. Endings are cut by a few rules in the manner of the S stemmer (Harman, "How
effective is suffixing?", 1991), carried on to what code calls its actors and acts: `validate`,
`validated`, `validator` and `validation` are one word.
"""

import re
from functools import lru_cache

_MOST_WORD_CHARACTERS = 40
_RUN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[a-z]+|[A-Z](?:[a-z]+|[A-Z]*(?![a-z]))|[0-9]+")
_COMPOUND = re.compile(r"[A-Za-z0-9]_[A-Za-z0-9]|[a-z0-9][A-Z]")
_FEWEST_STEM_CHARACTERS = 4
# Longest first. What is left is a stem only when it is long enough.
_ENDINGS = (
    "ization", "ations", "ation", "ators", "ating", "ator", "ated", "ates", "ments", "ities",
    "ility", "ment", "ings", "izer", "ions", "able", "ate", "ion", "ing", "ers", "ors", "ity",
    "ies", "ed", "er", "or", "es", "ly", "s", "e", "y",
)  # fmt: skip


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, each cut down to its stem."""
    return [stem_of(word) for word in whole_words_of(text)]


def whole_words_of(text: str) -> list[str]:
    """Return the words of a text in order, as they stand there."""
    words: list[str] = _WORD.findall(text) if text.isascii() else _words_of_runs(text)
    if len(text) <= _MOST_WORD_CHARACTERS:
        return words
    return [word for word in words if len(word) <= _MOST_WORD_CHARACTERS]


def _words_of_runs(text: str) -> list[str]:
    """Take apart what is ASCII only: capitals of other scripts tell less."""
    return [
        word
        for run in _RUN.findall(text)
        for word in (_WORD.findall(run) if run.isascii() else (run,))
    ]


def form_weight(name: str) -> float:
    """Return how telling the form of a name is, whatever it names.

    3 for a compound of at least 8 characters (`get_model`, `HttpRequest`), which is hardly ever met
    by chance; 0.3 for up to 3 characters, which often is; 0.1 for one with a leading underscore,
    which is private by convention; 1 for others.
    """
    if name.startswith("_"):
        return 0.1
    if len(name) <= 3:
        return 0.3
    return 3.0 if len(name) >= 8 and _COMPOUND.search(name) else 1.0


@lru_cache(maxsize=16_384)
def stem_of(word: str) -> str:
    """Return a word in lower case, without the endings that do not matter."""
    word = word.lower()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _FEWEST_STEM_CHARACTERS:
            stem = word[: -len(ending)]
            # `getting`, `mapper`: the consonant is double for the ending's sake.
            if stem[-1] == stem[-2] and stem[-1] not in "slaeiou" and len(ending) > 1:
                return stem[:-1]
            return stem
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
