"""Finds the symbols that a question names."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolmesh_repomap.corpus import Corpus
from toolmesh_repomap.similar_texts import folded, most_similar

_SEPARATOR = re.compile(r"::|->|[.#/\\]")
_MOST_SIMILAR = 5


@dataclass(frozen=True, slots=True)
class QualifiedName:
    """A name, and what its definition stands in, the outermost first."""

    name: str
    qualifiers: tuple[str, ...] = ()


def read_name(text: str) -> QualifiedName:
    """Take `a.b.c`, `a::b`, `a#b`, `a/b`, `a->b` or `a.b()` apart; a name without names is one."""
    text = text.strip().removesuffix("()")
    parts = [part for part in _SEPARATOR.split(text) if part]
    return QualifiedName(parts[-1], tuple(parts[:-1])) if parts else QualifiedName(text)


def symbols_of(corpus: Corpus, name: str, *, ignore_case: bool) -> list[int]:
    """Return the symbols of a name in order; only ASCII has letters whose case can be ignored."""
    if not ignore_case:
        return corpus.symbols_named(name)
    wanted = folded(name.encode())
    table = corpus.symbols
    # The first byte of a symbol is the mark of its family.
    alike = np.flatnonzero(np.diff(table.offsets) == len(wanted) + 1)
    if not len(alike) or not len(wanted):
        return []
    cells = table.offsets[alike][:, None] + np.arange(1, len(wanted) + 1)
    letters = folded(table.data)[cells]
    return sorted(alike[(letters == wanted).all(axis=1)].tolist(), key=table.text)


def similar_names(corpus: Corpus, name: str, among: NDArray[np.bool_]) -> list[str]:
    """Return names much like one that is not there; `among` tells which symbols count."""
    return most_similar(
        name,
        corpus.symbols.data,
        corpus.symbols.offsets,
        text_of=corpus.name,
        most=_MOST_SIMILAR,
        among=among,
    )
