"""Makes corpora: out of outlines as they come, and of the rows of an earlier corpus."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolmesh_outlines.languages import language_named
from toolmesh_outlines.outline import PASSING_FAILURES, Definition, Outline
from toolmesh_outlines.outliner import OutlinedFile
from toolmesh_repomap.corpus import KINDS, UNREAD, Columns, Corpus, language_number, symbol_text
from toolmesh_repomap.paths import Role, role_of
from toolmesh_repomap.stop_words import STOP_WORDS
from toolmesh_repomap.string_table import EMPTY, Interner, Ints, Numbers
from toolmesh_repomap.words import form_weight, stem_of, whole_words_of
from toolmesh_workspaces.snapshot_protocol import SnapshotFile

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_MOST_COUNT = 2**16 - 1
# Columns that belong to rows, by the column that says where each row's part begins.
_OF_ROWS = {
    "definition_first": (
        "definition_symbol",
        "definition_kind",
        "definition_line",
        "definition_end_line",
        "definition_parent",
    ),
    "use_first": ("use_symbol", "use_count", "use_member"),
    "import_first": ("import_path",),
    "path_word_first": ("path_word",),
}
# Likewise, for columns that belong to definitions.
_OF_DEFINITIONS = {"signature_first": "signatures", "doc_word_first": "doc_word"}


@dataclass(frozen=True, slots=True)
class Run:
    """Some rows of some columns, in a row: `columns[start:stop]`."""

    columns: Columns
    start: int
    stop: int


def joined(runs: Sequence[Run]) -> Columns:
    """Return the columns that have the rows of these runs, one after the other."""
    made: dict[str, Any] = {}
    for first_name, names in _OF_ROWS.items():
        firsts = [getattr(run.columns, first_name) for run in runs]
        spans = [
            (first.item(run.start), first.item(run.stop))
            for first, run in zip(firsts, runs, strict=True)
        ]
        counts = [
            np.diff(first[run.start : run.stop + 1])
            for first, run in zip(firsts, runs, strict=True)
        ]
        made[first_name] = _firsts(counts)
        for name in names:
            parts = [
                getattr(run.columns, name)[start:stop]
                for run, (start, stop) in zip(runs, spans, strict=True)
            ]
            made[name] = np.concatenate(parts)
        if first_name == "definition_first":
            made |= _joined_of_definitions(runs, spans)
    return Columns(**made)


def _joined_of_definitions(
    runs: Sequence[Run], spans: Sequence[tuple[int, int]]
) -> dict[str, NDArray[Any]]:
    made: dict[str, NDArray[Any]] = {}
    for first_name, name in _OF_DEFINITIONS.items():
        counts: list[Ints] = []
        parts: list[NDArray[Any]] = []
        for run, (start, stop) in zip(runs, spans, strict=True):
            first = getattr(run.columns, first_name)
            counts.append(np.diff(first[start : stop + 1]))
            parts.append(getattr(run.columns, name)[first.item(start) : first.item(stop)])
        made |= {first_name: _firsts(counts), name: np.concatenate(parts)}
    return made


def _firsts(counts: Sequence[Ints]) -> Ints:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(counts))))


class _Rows:
    """Rows that are made of outlines, in the order that they come in."""

    def __init__(self, base: Corpus | None) -> None:
        self.symbols = Interner(base.symbols if base else EMPTY)
        self.imports = Interner(base.import_paths if base else EMPTY)
        self.words = Interner(base.words if base else EMPTY)
        # Of words as they stand in texts; of those of comments, -1 stands for what says nothing.
        # The functions know no rows: in a circle these would stay in memory for a while.
        self.word_numbers = Numbers(partial(_word_number, self.words))
        self._doc_word_numbers = Numbers(partial(_doc_word_number, self.words))
        self._symbol_numbers: dict[str, Numbers] = {}
        self.definitions = [array("i") for _ in range(5)]
        self.uses = array("i"), array("H"), array("B")
        self.import_path = array("i")
        self.path_word = array("i")
        self.signature_lengths = array("q")
        self.signatures = bytearray()
        self.doc_word_counts = array("q")
        self.doc_word = array("i")
        self.counts = [array("q") for _ in range(4)]

    def add(self, path: str, language: str, outline: Outline) -> None:
        """Add a row."""
        if language:
            self._add_outline(language_named(language).family, outline)
        words = whole_words_of(path)
        self.path_word.extend(map(self.word_numbers.__getitem__, words))
        lengths = (
            len(outline.definitions),
            len(outline.references) + len(outline.members),
            len(outline.imports),
            len(words),
        )
        for counts, length in zip(self.counts, lengths, strict=True):
            counts.append(length)

    def columns(self) -> Columns:
        symbol, kind, line, end_line, parent = map(_ints, self.definitions)
        return Columns(
            definition_first=_firsts([_longs(self.counts[0])]),
            definition_symbol=symbol,
            definition_kind=kind.astype(np.uint8),
            definition_line=line,
            definition_end_line=end_line,
            definition_parent=parent,
            signature_first=_firsts([_longs(self.signature_lengths)]),
            signatures=np.frombuffer(self.signatures, dtype=np.uint8),
            doc_word_first=_firsts([_longs(self.doc_word_counts)]),
            doc_word=_ints(self.doc_word),
            use_first=_firsts([_longs(self.counts[1])]),
            use_symbol=_ints(self.uses[0]),
            use_count=np.frombuffer(self.uses[1], dtype=np.uint16),
            use_member=np.frombuffer(self.uses[2], dtype=np.bool_),
            import_first=_firsts([_longs(self.counts[2])]),
            import_path=_ints(self.import_path),
            path_word_first=_firsts([_longs(self.counts[3])]),
            path_word=_ints(self.path_word),
        )

    def _add_outline(self, family: str, outline: Outline) -> None:
        symbol_of = self._symbols_of(family).__getitem__
        self._add_definitions(outline.definitions, symbol_of)
        for is_member, counts in enumerate((outline.references, outline.members)):
            self.uses[0].extend(map(symbol_of, counts))
            self.uses[1].extend([min(count, _MOST_COUNT) for count in counts.values()])
            self.uses[2].frombytes(bytes([is_member]) * len(counts))
        self.import_path.extend(map(self.imports.__getitem__, outline.imports))

    def _add_definitions(
        self, definitions: Sequence[Definition], symbol_of: Callable[[str], int]
    ) -> None:
        symbol, kind, line, end_line, parent = self.definitions
        symbol.extend([symbol_of(definition.name) for definition in definitions])
        kind.extend([_KIND_NUMBERS[definition.kind] for definition in definitions])
        line.extend([definition.line for definition in definitions])
        end_line.extend([definition.end_line for definition in definitions])
        # Parents stand before what is in them; all that follows them up relies on it.
        parent.extend(
            [
                definition.parent if definition.parent < index else -1
                for index, definition in enumerate(definitions)
            ]
        )
        signatures = [definition.signature.encode() for definition in definitions]
        self.signature_lengths.extend(map(len, signatures))
        self.signatures += b"".join(signatures)
        words = [self._telling_words(each.doc) if each.doc else () for each in definitions]
        self.doc_word_counts.extend(map(len, words))
        self.doc_word.extend(chain.from_iterable(words))

    def _symbols_of(self, family: str) -> Numbers:
        numbers = self._symbol_numbers.get(family)
        if numbers is None:
            mark = symbol_text(family, "")
            numbers = Numbers(partial(_symbol_number, self.symbols, mark))
            self._symbol_numbers[family] = numbers
        return numbers

    def _telling_words(self, doc: str) -> list[int]:
        words = map(self._doc_word_numbers.__getitem__, whole_words_of(doc))
        return [word for word in words if word >= 0]


def _word_number(words: Interner, word: str) -> int:
    return words[stem_of(word)]


def _doc_word_number(words: Interner, word: str) -> int:
    stem = stem_of(word)
    return -1 if stem in STOP_WORDS else words[stem]


def _symbol_number(symbols: Interner, mark: str, name: str) -> int:
    return symbols[mark + name]


class CorpusBuilder:
    """Makes the corpus of a snapshot's files; those that `base` has already need no outline."""

    def __init__(
        self,
        files: Iterable[SnapshotFile],
        languages: Mapping[str, str],
        base: Corpus | None = None,
        base_rows: Mapping[str, int] | None = None,
    ) -> None:
        """`languages` are those of the paths; `base_rows` tells each path's row in `base`."""
        self._files = [file for file in files if file.digest]
        self._languages = [languages.get(file.path, "") for file in self._files]
        self._base = base
        self._base_rows = base_rows or {}
        self._known = self._rows_of_base()
        self._rows = _Rows(base)
        self._added: dict[str, int] = {}
        self._skipped: dict[str, str] = {}
        self._roles: dict[str, Role] = {}

    @property
    def missing(self) -> list[SnapshotFile]:
        """The files whose outlines are needed."""
        return [file for file, row in zip(self._files, self._known, strict=True) if row < 0]

    def add_all(self, files: Iterable[OutlinedFile]) -> None:
        """Take the outlines of files that are missing."""
        for file in files:
            self._added[file.path] = len(self._added)
            if file.outline.skipped:
                self._skipped[file.path] = file.outline.skipped
            self._roles[file.path] = role_of(
                file.path, is_made=file.outline.is_generated or file.outline.is_minified
            )
            self._rows.add(file.path, file.language, file.outline)

    def finish(self) -> Corpus:
        """Return the corpus, when all that was missing was added.

        It has all strings of the base, by the same numbers; `without_unused` takes out what is
        gone.
        """
        columns = joined(self._runs())
        forms, first, word = _forms_and_words(self._base, self._rows)
        base_skipped = self._base.skipped if self._base else {}
        skipped: dict[int, str] = {}
        roles = np.zeros(len(self._files), dtype=np.uint8)
        for row, (file, old) in enumerate(zip(self._files, self._known, strict=True)):
            reason = base_skipped.get(old) if old >= 0 else self._skipped.get(file.path)
            if reason:
                skipped[row] = reason
            if self._base is not None and old >= 0:
                roles[row] = self._base.roles[old]
            else:
                roles[row] = self._roles[file.path]
        return Corpus(
            paths=tuple(file.path for file in self._files),
            digests=tuple(
                UNREAD if skipped.get(row) in PASSING_FAILURES else file.digest
                for row, file in enumerate(self._files)
            ),
            sizes=np.array([file.size_bytes for file in self._files], dtype=np.int64),
            languages=np.array([language_number(name) for name in self._languages], dtype=np.uint8),
            roles=roles,
            skipped=skipped,
            columns=columns,
            symbols=self._rows.symbols.finish(),
            import_paths=self._rows.imports.finish(),
            words=self._rows.words.finish(),
            symbol_form=forms,
            symbol_word_first=first,
            symbol_word=word,
        )

    def _rows_of_base(self) -> list[int]:
        """Return the row that each file has in the base, -1 where it has changed or is new."""
        base = self._base
        if base is None:
            return [-1] * len(self._files)
        numbers = {name: language_number(name) for name in set(self._languages)}
        languages = base.languages.tolist()
        rows: list[int] = []
        for file, language in zip(self._files, self._languages, strict=True):
            row = self._base_rows.get(file.path, -1)
            same = (
                row >= 0
                and base.digests[row] == file.digest
                and languages[row] == numbers[language]
            )
            rows.append(row if same else -1)
        return rows

    def _runs(self) -> list[Run]:
        """Return the rows of the files, in order, in as few runs as can be."""
        added = self._rows.columns()
        base = added if self._base is None else self._base.columns
        runs: list[Run] = [Run(added, 0, 0)]
        source, start, stop = added, 0, 0
        for file, old in zip(self._files, self._known, strict=True):
            columns, row = (base, old) if old >= 0 else (added, self._added[file.path])
            if columns is not source or row != stop:
                runs.append(Run(source, start, stop))
                source, start = columns, row
            stop = row + 1
        runs.append(Run(source, start, stop))
        return runs


def _forms_and_words(base: Corpus | None, rows: _Rows) -> tuple[NDArray[np.float32], Ints, Ints]:
    """Return the form and the words of each symbol; those of the base's symbols are known."""
    if base is not None and not rows.symbols.added:
        return base.symbol_form, base.symbol_word_first, base.symbol_word
    forms, counts, added = array("f"), array("q"), array("i")
    for text in rows.symbols.added:
        name = text[1:]
        words = whole_words_of(name)
        forms.append(form_weight(name))
        counts.append(len(words))
        added.extend(map(rows.word_numbers.__getitem__, words))
    form = np.frombuffer(forms, dtype=np.float32) if forms else np.zeros(0, dtype=np.float32)
    first = np.fromiter(accumulate(counts, initial=0), dtype=np.int64, count=len(counts) + 1)
    word = _ints(added)
    if base is None:
        return form, first, word
    return (
        np.concatenate((base.symbol_form, form)),
        np.concatenate((base.symbol_word_first, base.symbol_word_first[-1] + first[1:])),
        np.concatenate((base.symbol_word, word)),
    )


def _ints(values: "array[int]") -> Ints:
    return np.frombuffer(values, dtype=np.int32) if values else np.zeros(0, dtype=np.int32)


def _longs(values: "array[int]") -> Ints:
    return np.frombuffer(values, dtype=np.int64) if values else np.zeros(0, dtype=np.int64)
