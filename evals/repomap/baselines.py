"""What maps are compared with besides Aider's: BM25 over files, and plain lists of files.

BM25 is Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with
its usual constants, over the words of paths and contents of source files.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from evals.repomap.source_text import is_definition, language_of
from toolmesh_serving.tokens import count_tokens

_SATURATION = 1.2
_LENGTH_SHARE = 0.75
_MOST_FILE_BYTES = 1_000_000
_MOST_LINE_CHARS = 100
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case: identifiers, and the parts that those are made of."""
    for word in _WORD.findall(text):
        lowered = word.lower()
        yield lowered
        parts = _PART.findall(word)
        if len(parts) > 1:
            yield from (part.lower() for part in parts if len(part) > 1)


class FileSearch:
    """BM25 over the source files of a tree."""

    def __init__(self, tree: Path, paths: Sequence[str]) -> None:
        self._paths = [path for path in paths if language_of(path)]
        self._outlines: dict[str, list[str]] = {}
        self._counts: list[Counter[str]] = []
        self._postings: defaultdict[str, list[int]] = defaultdict(list)
        for index, path in enumerate(self._paths):
            text = _text(tree / path)
            self._outlines[path] = _outline(text, language_of(path) or "")
            counts = Counter(words(f"{path}\n{text}"))
            self._counts.append(counts)
            for word in counts:
                self._postings[word].append(index)
        self._lengths = [counts.total() for counts in self._counts]
        self._mean_length = sum(self._lengths) / max(len(self._lengths), 1) or 1.0

    def ranked(self, question: str) -> list[str]:
        """All source files, the best first; those without any word of the question are last."""
        scores = [0.0] * len(self._paths)
        for word in set(words(question)):
            posting = self._postings.get(word, ())
            weight = math.log(1 + (len(self._paths) - len(posting) + 0.5) / (len(posting) + 0.5))
            for index in posting:
                count = self._counts[index][word]
                share = self._lengths[index] / self._mean_length
                norm = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * share)
                scores[index] += weight * count * (_SATURATION + 1) / (count + norm)
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], self._paths[index]))
        return [self._paths[index] for index in order]

    def outlined(self, paths: Iterable[str]) -> Iterator[str]:
        """Lines of a map: each file with every line of it that begins a definition."""
        for path in paths:
            yield f"{path}:"
            yield from self._outlines[path]


def filled(lines: Iterable[str], max_tokens: int) -> str:
    """As many of the lines, from the first on, as a budget holds."""
    taken: list[str] = []
    for line in lines:
        max_tokens -= count_tokens(f"{line}\n")
        if max_tokens < 0:
            break
        taken.append(line)
    return "".join(f"{line}\n" for line in taken)


def _text(file: Path) -> str:
    if file.stat().st_size > _MOST_FILE_BYTES:
        return ""
    return file.read_text("utf-8", errors="replace")


def _outline(text: str, language: str) -> list[str]:
    # Indented, so that none can be taken for a file.
    return [
        f"  {line.rstrip()[:_MOST_LINE_CHARS]}"
        for line in text.splitlines()
        if is_definition(line, language)
    ]
