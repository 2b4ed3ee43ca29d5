"""Writes a map: files and the outlines of their most important definitions, within a token budget.

Definitions are taken in the order of their scores until the budget is full. Each brings the headers
that it stands under and, with the first one of a file, the file's path. What that costs is counted
line by line; since tokens can span lines, the text is then counted as a whole, and what is too much
is taken off again: the budget is kept exactly.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from toolmesh_repomap.ranking import Ranking
from toolmesh_repomap.reference_graph import SourceFile

_INDENT = "  "
# A budget that is nearly full still takes short lines: how many that are too long to pass over.
_MOST_MISFITS = 16
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """A map's text, its number of tokens and of files, and whether anything was left out."""

    text: str
    token_count: int
    shown_file_count: int
    truncated: bool


def render_map(
    files: Sequence[SourceFile],
    other_paths: Sequence[str],
    ranking: Ranking,
    *,
    max_tokens: int,
    count_tokens: Callable[[str], int],
) -> RenderedMap:
    """Return the map of the files; if budget is left, other paths follow.

    It has at most `max_tokens` as `count_tokens` counts them; nothing fits into a budget that is
    smaller than a path and a line, and then the text is empty.
    """
    page = _Page(files, ranking)
    filler = _Filler(page, _candidates(files, ranking), count_tokens)
    paths = [*other_paths, *(file.path for file in files if not file.outline.definitions)]
    others: list[str] = []
    text, token_count = "", 0
    # Lines are counted a little too high, so there is room for more after the first round.
    for _ in range(_ROUNDS):
        if not filler.fill(max_tokens - token_count):
            break
        text = page.text([])
        token_count = count_tokens(text)
    if not filler.left_out:
        others = _fitting_paths(paths, max_tokens - token_count, count_tokens)
        text = page.text(others)
        token_count = count_tokens(text)
    while token_count > max_tokens:
        excess = token_count - max_tokens
        if others:
            del others[-min(len(others), excess) :]
        else:
            filler.take_back(excess)
        text = page.text(others)
        token_count = count_tokens(text)
    return RenderedMap(
        text=text,
        token_count=token_count,
        shown_file_count=page.file_count + len(others),
        truncated=filler.left_out or len(others) < len(paths),
    )


class _Filler:
    """Puts candidates on a page, as long as they fit."""

    def __init__(
        self,
        page: "_Page",
        candidates: Iterator[tuple[int, int]],
        count_tokens: Callable[[str], int],
    ) -> None:
        self._page = page
        self._candidates = candidates
        self._count_tokens = count_tokens
        self._chosen: list[tuple[int, int]] = []
        self._misfits: list[tuple[int, int]] = []

    @property
    def left_out(self) -> bool:
        """Whether a candidate is not shown for want of budget."""
        return bool(self._misfits)

    def fill(self, budget: int) -> bool:
        """Show what fits into `budget` tokens; False when that is nothing."""
        misfits, self._misfits = self._misfits, []
        before = len(self._chosen)
        for file, definition in chain(misfits, self._candidates):
            if self._page.shows(file, definition):
                continue
            lines = self._page.new_lines(file, definition)
            cost = sum(self._count_tokens(line + "\n") for line in lines)
            if cost > budget:
                self._misfits.append((file, definition))
                if len(self._misfits) > _MOST_MISFITS:
                    break
                continue
            budget -= cost
            self._page.add(file, definition)
            self._chosen.append((file, definition))
        return len(self._chosen) > before

    def take_back(self, excess: int) -> None:
        """Take off what was shown last, about `excess` tokens and at least one line."""
        count = max(1, excess // 32)
        self._misfits += self._chosen[-count:]
        del self._chosen[-count:]
        self._page.clear()
        for file, definition in self._chosen:
            self._page.add(file, definition)


def _candidates(files: Sequence[SourceFile], ranking: Ranking) -> Iterator[tuple[int, int]]:
    """Yield (file, definition) from the highest score on."""
    counts = [len(file.outline.definitions) for file in files]
    firsts = np.cumsum([0, *counts])
    of_file = np.repeat(np.arange(len(files)), counts)
    order = np.argsort(-ranking.definitions, kind="stable")
    for index in order.tolist():
        file = int(of_file[index])
        yield file, index - int(firsts[file])


def _fitting_paths(
    paths: Sequence[str], budget: int, count_tokens: Callable[[str], int]
) -> list[str]:
    """Return as many paths as fit, those near the root first."""
    fitting: list[str] = []
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        budget -= count_tokens(path + "\n")
        if budget < 0:
            break
        fitting.append(path)
    return fitting


class _Page:
    """What a map shows so far."""

    def __init__(self, files: Sequence[SourceFile], ranking: Ranking) -> None:
        self._files = files
        self._scores = ranking.files
        self._shown: dict[int, set[int]] = {}

    @property
    def file_count(self) -> int:
        return len(self._shown)

    def clear(self) -> None:
        self._shown.clear()

    def shows(self, file: int, definition: int) -> bool:
        shown = self._shown.get(file)
        if shown is None:
            return False
        if definition in shown:
            return True
        # Several names can be defined by one line.
        definitions = self._files[file].outline.definitions
        return any(
            beside in shown
            and definitions[beside].line == definitions[definition].line
            and definitions[beside].signature == definitions[definition].signature
            for beside in (definition - 1, definition + 1)
            if 0 <= beside < len(definitions)
        )

    def add(self, file: int, definition: int) -> None:
        """Show a definition and the headers that it stands under."""
        self._shown.setdefault(file, set()).update(self._with_parents(file, definition))

    def new_lines(self, file: int, definition: int) -> list[str]:
        """Return the lines that showing a definition would add."""
        shown = self._shown.get(file)
        lines = [] if shown is not None else ["", f"{self._files[file].path}:"]
        lines += [
            self._line(file, index)
            for index in self._with_parents(file, definition)
            if shown is None or index not in shown
        ]
        return lines

    def text(self, other_paths: Sequence[str]) -> str:
        """Return the whole text."""
        order = sorted(self._shown, key=lambda file: (-self._scores[file], file))
        blocks = [
            "\n".join(
                [
                    f"{self._files[file].path}:",
                    *(self._line(file, index) for index in sorted(self._shown[file])),
                ]
            )
            for file in order
        ]
        if other_paths:
            blocks.append("\n".join(other_paths))
        return "\n\n".join(blocks)

    def _with_parents(self, file: int, definition: int) -> list[int]:
        definitions = self._files[file].outline.definitions
        chain: list[int] = []
        while definition >= 0:
            chain.append(definition)
            definition = definitions[definition].parent
        return chain

    def _line(self, file: int, index: int) -> str:
        definitions = self._files[file].outline.definitions
        definition = definitions[index]
        depth = len(self._with_parents(file, index)) - 1
        width = len(str(definitions[-1].line))
        return f"{definition.line:>{width}} {_INDENT * depth}{definition.signature}"
