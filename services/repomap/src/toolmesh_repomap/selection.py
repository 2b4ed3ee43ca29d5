"""Chooses what a map shows: the best definitions that fit into a token budget.

Definitions are taken in the order of their scores until the budget is full. Each brings the headers
that it stands under and, with the first one of a file, the file's path. What that costs is counted
line by line; empty lines and notes are left out of that, so the whole is then counted as it is
written, and what is too much is taken off again: the budget is kept exactly.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Protocol

import numpy as np

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.ranking import Ranking
from toolmesh_repomap.string_table import Ints
from toolmesh_repomap.use_readings import Floats

CountTokens = Callable[[str], int]

# A line of a map has some 100 bytes.
_KNOWN_LINES = 20_000
_MOST_KNOWN_CHARACTERS = 400
# A line with its break and the empty lines after it, those of other blanks too, or the last line.
# The encoding never takes more than that for one word, and a token is never more than a word.
_LINES = re.compile(r"[^\n]*\n(?:\s*[\r\n])?|[^\n]+")
# The signs at the end of a line that an empty one follows; what stands before them are other words.
_END = re.compile(r"(?<=[A-Za-z0-9])[!-/:-@[-`{-~]*\n\n\Z")
# A budget that is nearly full still takes short lines: how many that are too long to pass over.
_MOST_MISFITS = 16
_ROUNDS = 3
# A smaller part of the budget than one in so many is left empty.
_LEAST_ROOM = 200
# So many candidates are sorted first, and then so many; few maps need more.
_FIRST_CANDIDATES = 1024
_NEXT_CANDIDATES = 4096
# The n-th definition of a file counts as 1 / (1 + n * this): after the first few, those of other
# files tell more.
_DIMINISHING = 0.15
# Smaller maps do not say what they left out: it would cost a line that tells more.
_LEAST_FOR_NOTE = 64
_NOTE_TOKENS = 16
_NOTHING = frozenset[int]()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a map shows: definitions by row, rows in order of rank, and files by their path alone.

    `left_out_files` and `left_out_definitions` count what is not shown; the map says so itself
    where `has_note`.
    """

    definitions: dict[int, list[int]]
    other_rows: list[int]
    left_out_files: int
    left_out_definitions: int
    has_note: bool

    @property
    def file_count(self) -> int:
        """How many files are shown."""
        return len(self.definitions) + len(self.other_rows)

    @property
    def truncated(self) -> bool:
        """Whether anything is left out."""
        return bool(self.left_out_files or self.left_out_definitions)


class TokenCounter:
    """Counts tokens; it knows the counts of lines that it saw lately."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self._count = count_tokens
        self._known = lru_cache(maxsize=_KNOWN_LINES)(self._count_line)

    def count(self, text: str) -> int:
        """Return how many tokens a text has, line by line: no token goes on in the next line."""
        lines: list[str] = _LINES.findall(text)
        if max(map(len, lines), default=0) < _MOST_KNOWN_CHARACTERS:
            return sum(map(self._known, lines))
        return sum(map(self.line, lines))

    def line(self, line: str) -> int:
        """Return how many tokens a line has, with the line break at its end."""
        return self._known(line) if len(line) < _MOST_KNOWN_CHARACTERS else self._count(line)

    def _count_line(self, line: str) -> int:
        end = _END.search(line) if line.endswith("\n\n") else None
        if end is None:
            return self._count(line)
        # Most such lines are known from where no empty line follows them.
        signs = end.group()
        return self._known(line[:-1]) + self._known(signs) - self._known(signs[:-1])


class Layout(Protocol):
    """A way to write a map."""

    @property
    def line_costs(self) -> dict[int, int]:
        """How many tokens the lines of definitions have, as far as they were counted."""
        ...

    @property
    def header_costs(self) -> dict[int, int]:
        """The same of what stands above the definitions of files."""
        ...

    def header(self, row: int) -> str:
        """Return what stands above the definitions of a file."""
        ...

    def line(self, definition: int) -> str:
        """Return what is written for a definition."""
        ...

    def other(self, row: int) -> str:
        """Return what is written for a file by its path alone."""
        ...

    def whole(self, shown: Shown) -> str:
        """Return all that is written."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown, as it is written, and how many tokens that has."""

    shown: Shown
    text: str
    token_count: int


def select(
    corpus: Corpus,
    ranking: Ranking,
    layout: Layout,
    *,
    max_tokens: int,
    counter: TokenCounter,
) -> Selection:
    """Return what a map of at most `max_tokens`, as `counter` counts them, shows.

    If budget is left when all definitions are shown, the paths of files without any follow. Nothing
    fits into a budget that is smaller than a path and a line, and then the text is empty.
    """
    choice = _Choice(corpus, ranking, layout, counter, max_tokens >= _LEAST_FOR_NOTE)
    selection = choice.written()
    room = max_tokens - (_NOTE_TOKENS if choice.has_note else 0)
    for _ in range(_ROUNDS):
        # Pieces are counted a little too high, so there is room for more after the first round.
        if room * _LEAST_ROOM < max_tokens or not choice.fill(room):
            break
        selection = choice.written()
        room = max_tokens - selection.token_count
    while selection.token_count > max_tokens and choice.take_back(
        selection.token_count - max_tokens
    ):
        selection = choice.written()
    if selection.token_count > max_tokens:
        return Selection(choice.shown(), "", 0)
    return selection


@dataclass(slots=True)
class _Choice:
    """What was chosen so far."""

    corpus: Corpus
    ranking: Ranking
    layout: Layout
    counter: TokenCounter
    has_note: bool
    _chosen: list[int] = field(default_factory=list[int])
    _others: list[int] = field(default_factory=list[int])
    _misfits: list[int] = field(default_factory=list[int])
    _by_row: dict[int, set[int]] = field(default_factory=dict[int, set[int]])
    # Definitions that the line of another one shows.
    _twins: dict[int, int] = field(default_factory=dict[int, int])
    _candidates: Iterator[int] = field(init=False)
    _paths: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._candidates = _candidates(self.corpus, self.ranking)
        self._paths = _rows_without_definitions(self.corpus, self.ranking)

    def fill(self, budget: int) -> bool:
        """Show what fits into `budget` tokens; False when that is nothing."""
        before = len(self._chosen) + len(self._others)
        budget = self._fill_definitions(budget)
        if not self._misfits:
            self._fill_paths(budget)
        return len(self._chosen) + len(self._others) > before

    def take_back(self, excess: int) -> bool:
        """Take off what was shown last, about `excess` tokens; False when there is nothing."""
        if self._others:
            del self._others[-max(1, excess // 8) :]
            return True
        count = max(1, excess // 32)
        self._misfits += self._chosen[-count:]
        del self._chosen[-count:]
        self._by_row.clear()
        for definition in self._chosen:
            shown = self._by_row.setdefault(self.corpus.row_of(definition), set())
            shown.update((definition, *self.corpus.around(definition)))
        return bool(self._chosen)

    def written(self) -> Selection:
        """Return what is chosen, as it is written."""
        shown = self.shown()
        text = self.layout.whole(shown)
        return Selection(shown, text, self.counter.count(text))

    def shown(self) -> Shown:
        """Return what is chosen."""
        scores = self.ranking.files
        rows = sorted(self._by_row, key=lambda row: (-scores.item(row), row))
        shown_count = sum(map(len, self._by_row.values()))
        shown_count += sum(
            twin in self._by_row.get(self.corpus.row_of(twin), ()) for twin in self._twins.values()
        )
        return Shown(
            definitions={row: sorted(self._by_row[row]) for row in rows},
            other_rows=list(self._others),
            left_out_files=self.corpus.file_count - len(rows) - len(self._others),
            left_out_definitions=len(self.corpus.columns.definition_symbol) - shown_count,
            has_note=self.has_note,
        )

    def _fill_definitions(self, budget: int) -> int:
        misfits, self._misfits = self._misfits, []
        for definition in chain(misfits, self._candidates):
            row = self.corpus.row_of(definition)
            shown = self._by_row.get(row, _NOTHING)
            if definition in shown or self._is_twin(shown, definition):
                continue
            around = self.corpus.around(definition)
            added = [definition, *[outer for outer in around if outer not in shown]]
            cost = sum(map(self._line_cost, added))
            if not shown:
                cost += self._header_cost(row)
            if cost <= budget:
                budget -= cost
                self._by_row.setdefault(row, set()).update(added)
                self._chosen.append(definition)
            else:
                self._misfits.append(definition)
                if len(self._misfits) > _MOST_MISFITS:
                    break
        return budget

    def _fill_paths(self, budget: int) -> None:
        for row in self._paths:
            budget -= self._cost(self.layout.other(row))
            if budget < 0:
                break
            self._others.append(row)

    def _line_cost(self, definition: int) -> int:
        cost = self.layout.line_costs.get(definition)
        if cost is None:
            cost = self.layout.line_costs[definition] = self._cost(self.layout.line(definition))
        return cost

    def _header_cost(self, row: int) -> int:
        cost = self.layout.header_costs.get(row)
        if cost is None:
            cost = self.layout.header_costs[row] = self._cost(self.layout.header(row))
        return cost

    def _cost(self, line: str) -> int:
        return self.counter.line(line + "\n")

    def _is_twin(self, shown: Collection[int], definition: int) -> bool:
        """Tell whether the line of another one shows a definition."""
        # Several names can be defined by one line.
        lines = self.corpus.columns.definition_line
        for beside in (definition - 1, definition + 1):
            if (
                beside in shown
                and lines.item(beside) == lines.item(definition)
                and self.corpus.signature(beside) == self.corpus.signature(definition)
            ):
                self._twins[definition] = beside
                return True
        return False


def _candidates(corpus: Corpus, ranking: Ranking) -> Iterator[int]:
    """Yield the definitions from the highest score on, less for each more of one file."""
    scores = ranking.definitions
    sure: list[int] = []
    if len(scores) > _FIRST_CANDIDATES:
        order = np.argpartition(-scores, _FIRST_CANDIDATES)
        first, spread = _spread(corpus, scores, np.sort(order[:_FIRST_CANDIDATES]))
        # Any other comes after those that are above its score.
        sure = first[: np.count_nonzero(spread > scores[order[_FIRST_CANDIDATES]])].tolist()
        yield from sure
    best = np.arange(len(scores))
    if len(scores) > _NEXT_CANDIDATES:
        best = np.sort(np.argpartition(-scores, _NEXT_CANDIDATES)[:_NEXT_CANDIDATES])
    yield from _spread(corpus, scores, best)[0][len(sure) :].tolist()
    if len(best) < len(scores):
        rest = np.ones(len(scores), dtype=bool)
        rest[best] = False
        yield from _spread(corpus, scores, np.flatnonzero(rest))[0].tolist()


def _spread(corpus: Corpus, scores: Floats, definitions: Ints) -> tuple[Ints, Floats]:
    """Order definitions by their score in view of others of their files, which is returned too."""
    rows = corpus.definition_rows(definitions)
    order = np.lexsort((-scores[definitions], rows))
    starts = np.searchsorted(rows, rows)
    ordinals = np.empty(len(rows))
    ordinals[order] = np.arange(len(rows)) - starts[order]
    spread = scores[definitions] / (1 + _DIMINISHING * ordinals)
    order = np.argsort(-spread, kind="stable")
    return definitions[order], spread[order]


def _rows_without_definitions(corpus: Corpus, ranking: Ranking) -> Iterator[int]:
    """Yield the files that define nothing, by rank and then those near the root first."""
    rows = np.flatnonzero(np.diff(corpus.columns.definition_first) == 0).tolist()
    scores = ranking.files
    yield from sorted(
        rows, key=lambda row: (-scores.item(row), corpus.paths[row].count("/"), corpus.paths[row])
    )
