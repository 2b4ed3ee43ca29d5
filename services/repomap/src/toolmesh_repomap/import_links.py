"""Which files import which, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from toolmesh_repomap.corpus import Corpus, language_name
from toolmesh_repomap.import_resolution import ImportResolver
from toolmesh_repomap.integer_sorting import used_numbers
from toolmesh_repomap.string_table import Ints


@dataclass(frozen=True, slots=True, eq=False)
class ImportLinks:
    """What each import of a corpus means.

    Import i of the corpus means the files `files[first[groups[i]]:first[groups[i] + 1]]`; many mean
    the same ones, such as a package of Go. Group 0 is empty: the import means no file of the tree.
    """

    groups: Ints
    first: Ints
    files: Ints


NO_LINKS = ImportLinks(
    np.zeros(0, dtype=np.int32), np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int32)
)


def resolve_imports(corpus: Corpus, base: Corpus | None, base_links: ImportLinks) -> ImportLinks:
    """Return what the imports of a corpus mean.

    When `base` has the same paths, only imports that files did not have there are looked up.
    """
    groups = np.zeros(len(corpus.columns.import_path), dtype=np.int32)
    if (
        base is None
        or base.paths != corpus.paths
        or not np.array_equal(base.languages, corpus.languages)
    ):
        return _resolved(corpus, range(corpus.file_count), groups, NO_LINKS)
    changed = _copy_known(corpus, base, base_links, groups)
    return _without_unused(_resolved(corpus, changed, groups, base_links))


def _resolved(corpus: Corpus, rows: Sequence[int], groups: Ints, links: ImportLinks) -> ImportLinks:
    """Fill in the groups of the imports of some rows; return them with all groups there are."""
    first = corpus.columns.import_first.tolist()
    rows = [row for row in rows if first[row] < first[row + 1]]
    if not rows:
        return ImportLinks(groups, links.first, links.files)
    names = [language_name(number) for number in corpus.languages.tolist()]
    resolver = ImportResolver(corpus.paths, names)
    paths = corpus.columns.import_path.tolist()
    used = {path for row in rows for path in paths[first[row] : first[row + 1]]}
    texts = {path: corpus.import_paths.text(path) for path in used}
    found_groups = _files_of_groups(links)
    sizes: list[int] = []
    files: list[int] = []
    # The resolver keeps what it gives, and the numbers of thousands of files are slow to compare.
    known: dict[int, int] = {}
    for row in rows:
        for index in range(first[row], first[row + 1]):
            found = resolver.resolve(row, texts[paths[index]])
            group = known.get(id(found))
            if group is None:
                group = found_groups.get(found)
                if group is None:
                    group = found_groups[found] = len(links.first) - 1 + len(sizes)
                    sizes.append(len(found))
                    files.extend(found)
                known[id(found)] = group
            groups[index] = group
    return ImportLinks(
        groups,
        np.concatenate((links.first, links.first[-1] + np.cumsum(sizes, dtype=np.int64))),
        np.concatenate((links.files, np.array(files, dtype=np.int32))),
    )


def _files_of_groups(links: ImportLinks) -> dict[tuple[int, ...], int]:
    """Return the group of each set of files that has one."""
    files = links.files.tolist()
    spans = enumerate(pairwise(links.first.tolist()))
    return {tuple(files[start:stop]): group for group, (start, stop) in spans}


def _without_unused(links: ImportLinks) -> ImportLinks:
    """Return the same without the groups that no import has any more."""
    counts = np.diff(links.first)
    # The first group, of no files, is always there.
    used, numbers = used_numbers(len(counts), links.groups, np.zeros(1, dtype=np.int32))
    if used.all():
        return links
    return ImportLinks(
        numbers[links.groups],
        np.concatenate((links.first[:1], np.cumsum(counts[used]))),
        links.files[np.repeat(used, counts)],
    )


def _copy_known(corpus: Corpus, base: Corpus, links: ImportLinks, groups: Ints) -> list[int]:
    """Copy what the base knows of the same rows; return the rows whose imports are others."""
    changed: list[int] = []
    first, base_first = corpus.columns.import_first, base.columns.import_first
    rows = [
        row
        for row, (digest, before) in enumerate(zip(corpus.digests, base.digests, strict=True))
        if digest != before
    ]
    start = 0
    for row in [*rows, corpus.file_count]:
        # The rows from `start` up to this one have the same contents.
        new, old = slice(first[start], first[row]), slice(base_first[start], base_first[row])
        groups[new] = links.groups[old]
        if row == corpus.file_count:
            break
        start = row + 1
        new, old = slice(first[row], first[start]), slice(base_first[row], base_first[start])
        # Equal numbers are equal texts: the tables of both begin alike.
        if np.array_equal(corpus.columns.import_path[new], base.columns.import_path[old]):
            groups[new] = links.groups[old]
        else:
            changed.append(row)
    return changed
