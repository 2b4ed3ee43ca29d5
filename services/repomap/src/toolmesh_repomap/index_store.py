"""Keeps indexes on disk: one file of arrays a snapshot, which a restart finds again.

What the graph and the ranking are made of is kept, and not those themselves: making them takes less
time than reading them would save. Every file can be lost or made again; one that is damaged is
removed, and one of another version is not looked at.
"""

import contextlib
import hashlib
import os
import tokenize
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import structlog

from toolmesh_outlines.languages import LANGUAGES
from toolmesh_outlines.outline import EXTRACTOR_VERSION
from toolmesh_repomap.corpus import KINDS, Columns, Corpus
from toolmesh_repomap.import_links import ImportLinks
from toolmesh_repomap.indexing import SnapshotIndex, index_of
from toolmesh_repomap.string_table import Ints, StringTable
from toolmesh_serving.private_files import make_private, make_private_folder

_log = structlog.get_logger(__name__)

# A change of what the columns mean, or of words.py or paths.py, whose outcome they hold: count this
# up, and what is on disk is not used any more.
_FORMAT = 4
_DIGEST_BYTES = 32
_TABLES = ("symbols", "import_paths", "words")
_ARRAYS = ("sizes", "languages", "roles", "symbol_form", "symbol_word_first", "symbol_word")
# RuntimeError: zipfile's answer to flags that it does not know. TokenError: NumPy's to a header
# that is no Python.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    EOFError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class IndexStore:
    """Indexes in a folder, bounded in size; the longest unused go first. All methods block.

    Those that were made with another `max_file_bytes`, past which files are not read, are let go.
    """

    def __init__(self, folder: Path, *, max_bytes: int, max_file_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._suffix = f".{_version(max_file_bytes)}.npz"
        make_private_folder(self._folder)
        # What is no index of this version was left by another one, or by a write that was cut off.
        for path in filter(Path.is_file, self._folder.iterdir()):
            if not path.name.endswith(self._suffix):
                path.unlink(missing_ok=True)
            else:
                make_private(path)

    def snapshots(self) -> list[str]:
        """Return the snapshots whose indexes are here, the last used first."""
        return [path.name.removesuffix(self._suffix) for _, _, path in reversed(self._by_use())]

    def file_keys(self, snapshot: str) -> Ints:
        """Return the `file_keys` of an index that is here; none when it is not, or damaged."""
        keys = self._read(snapshot, lambda arrays: arrays["file_keys"])
        return np.zeros(0, dtype=np.uint64) if keys is None else keys

    def load(self, snapshot: str) -> SnapshotIndex | None:
        """Return the index of a snapshot; None when it is not here, or damaged."""
        index = self._read(snapshot, _index)
        if index is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path(snapshot))
        return index

    def save(self, snapshot: str, index: SnapshotIndex) -> None:
        """Keep an index; a disk that is full or fails is logged."""
        path = self._path(snapshot)
        unfinished = path.with_name(f"{snapshot}.{os.getpid()}.part")
        try:
            make_private(unfinished)
            with unfinished.open("wb") as file:
                np.savez(file, **_arrays(index))
            unfinished.replace(path)
            self._evict()
        except OSError as error:
            _log.warning("repomap.index_not_kept", path=str(path), error=str(error))
            unfinished.unlink(missing_ok=True)

    def _read(self, snapshot: str, take: Any) -> Any:
        path = self._path(snapshot)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                return None
            except OSError as error:
                # Such as too many open files: the index is good.
                _log.warning("repomap.index_not_read", path=str(path), error=str(error))
                return None
            try:
                return take(stack.enter_context(np.load(file, allow_pickle=False)))
            except _DAMAGE as error:
                _log.warning("repomap.index_damaged", path=str(path), error=str(error))
                path.unlink(missing_ok=True)
                return None

    def _path(self, snapshot: str) -> Path:
        return self._folder / f"{snapshot}{self._suffix}"

    def _by_use(self) -> list[tuple[float, int, Path]]:
        """Return (time of last use, size, path) of all files, the longest unused first."""
        found: list[tuple[float, int, Path]] = []
        for path in filter(Path.is_file, self._folder.glob(f"*{self._suffix}")):
            # Another thread may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        return sorted(found)

    def _evict(self) -> None:
        files = self._by_use()
        used = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if used <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            used -= size


def _version(max_file_bytes: int) -> str:
    """Return what changes when the arrays would mean something else."""
    languages = [(language.name, language.family) for language in LANGUAGES]
    text = repr((_FORMAT, EXTRACTOR_VERSION, KINDS, languages, max_file_bytes))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _arrays(index: SnapshotIndex) -> dict[str, Any]:
    corpus = index.corpus
    arrays: dict[str, Any] = {
        "file_keys": index.file_keys,
        "paths": _bytes(msgspec.msgpack.encode(corpus.paths)),
        "skipped": _bytes(msgspec.msgpack.encode(corpus.skipped)),
        "digests": _bytes(b"".join(corpus.digests)),
    }
    arrays |= {
        f"columns.{each.name}": getattr(corpus.columns, each.name) for each in fields(Columns)
    }
    arrays |= {name: getattr(corpus, name) for name in _ARRAYS}
    arrays |= {
        f"links.{each.name}": getattr(index.links, each.name) for each in fields(ImportLinks)
    }
    for name in _TABLES:
        table: StringTable = getattr(corpus, name)
        arrays |= {
            f"{name}.data": _bytes(table.data),
            f"{name}.offsets": table.offsets,
            f"{name}.order": table.order,
        }
    return arrays


def _index(arrays: Any) -> SnapshotIndex:
    tables = {
        name: StringTable(
            arrays[f"{name}.data"].tobytes(), arrays[f"{name}.offsets"], arrays[f"{name}.order"]
        )
        for name in _TABLES
    }
    digests = arrays["digests"].tobytes()
    corpus = Corpus(
        paths=msgspec.msgpack.decode(arrays["paths"].tobytes(), type=tuple[str, ...]),
        digests=tuple(
            digests[at : at + _DIGEST_BYTES] for at in range(0, len(digests), _DIGEST_BYTES)
        ),
        skipped=msgspec.msgpack.decode(arrays["skipped"].tobytes(), type=dict[int, str]),
        columns=Columns(**{each.name: arrays[f"columns.{each.name}"] for each in fields(Columns)}),
        **{name: arrays[name] for name in _ARRAYS},
        **tables,
    )
    links = ImportLinks(*(arrays[f"links.{each.name}"] for each in fields(ImportLinks)))
    return index_of(corpus, links)


def _bytes(data: bytes) -> Any:
    return np.frombuffer(data, dtype=np.uint8)
