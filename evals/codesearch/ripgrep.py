"""ripgrep, as somebody would use it who has nothing else: any word of the question, on any line."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.environments import PeerEnvironment, run
from evals.processes import BenchmarkError
from toolmesh_codesearch.stop_words import STOP_WORDS

ENVIRONMENT = PeerEnvironment("ripgrep", Path(__file__).with_name("ripgrep.lock"))

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+")


@dataclass(frozen=True)
class Span:
    """The lines of a symbol, the first and the last, from 1."""

    symbol: str
    first: int
    last: int


@dataclass(frozen=True)
class Ripgrep:
    """Ranks the symbols of one package.

    Attributes:
        files: what is searched, by path.
        spans: the symbols of each path, outer ones before those inside of them.
    """

    files: Mapping[str, Path]
    spans: Mapping[str, Sequence[Span]]

    async def ranked(self, question: str) -> list[str]:
        """Symbols by how many lines of theirs have a word of the question, the most first.

        A line counts for the innermost symbol around it. Case does not count, and a word may stand
        inside another.

        Raises:
            BenchmarkError: ripgrep fails.
        """
        patterns = [each for word in words(question) for each in ("-e", word)]
        if not patterns:
            return []
        by_file = {str(file): path for path, file in self.files.items()}
        program = ENVIRONMENT.folder / "bin" / "rg"
        flags = ("--null", "--line-number", "--with-filename", "--ignore-case", "--no-ignore")
        try:
            found = await run(program, *flags, "--hidden", *patterns, "--", *by_file)
        except BenchmarkError:
            # It ends with 1 when it finds nothing, which `run` takes for a failure.
            return []
        counts: Counter[str] = Counter()
        for line in found.splitlines():
            file, separator, rest = line.partition("\0")
            number = rest.partition(":")[0]
            if separator and number.isdigit() and file in by_file:
                symbol = innermost(self.spans.get(by_file[file], ()), int(number))
                counts[symbol] += bool(symbol)
        return [symbol for symbol, _ in counts.most_common() if symbol]


def words(question: str) -> list[str]:
    """The words of a question that say something, without those that any text is full of."""
    found = dict.fromkeys(word.lower() for word in _WORD.findall(question))
    return [word for word in found if word not in STOP_WORDS]


def innermost(spans: Sequence[Span], line: int) -> str:
    """The innermost symbol around a line; empty when there is none."""
    return next((span.symbol for span in reversed(spans) if span.first <= line <= span.last), "")
