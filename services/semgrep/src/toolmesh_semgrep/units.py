"""What a scan has to look at: contents, each in a language and with the rules for it."""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolmesh_semgrep.engine_languages import EngineLanguages
from toolmesh_semgrep.result_cache import Rules
from toolmesh_semgrep.rules import Rule
from toolmesh_semgrep.selection import Selection
from toolmesh_workspaces.snapshot_protocol import Snapshot, SnapshotFile


@dataclass(frozen=True, slots=True)
class Unit:
    """A content to be read in a language by rules; `paths` are the files that have it.

    `key` tells it from every other unit but not its rules: results are kept by it.
    """

    key: bytes
    digest: bytes
    size_bytes: int
    language: str
    rules: Rules
    paths: list[str] = field(default_factory=list)


def units_of(
    snapshot: Snapshot, rules: Sequence[Rule], selection: Selection, languages: EngineLanguages
) -> list[Unit]:
    """Return what rules have to look at in the selected files; equal contents once.

    Rules that look at a file's path see each file by itself.
    """
    plain: defaultdict[str, set[bytes]] = defaultdict(set)
    by_path: defaultdict[str, set[bytes]] = defaultdict(set)
    for rule in rules:
        for language in rule.languages:
            (by_path if rule.reads_paths else plain)[language].add(rule.digest)
    wanted = [
        (language, frozenset(of_language[language]), of_language is by_path)
        for of_language in (plain, by_path)
        for language in of_language
    ]
    units: dict[bytes, Unit] = {}
    for file in snapshot:
        readers = languages.of_path(file.path) if file.digest else ()
        chosen = [each for each in wanted if each[0] in readers]
        if not chosen or not selection.has(file.path):
            continue
        for language, digests, reads_path in chosen:
            key = _key(file, language, file.path if reads_path else "")
            unit = units.get(key)
            if unit is None:
                unit = units[key] = Unit(key, file.digest, file.size_bytes, language, digests)
            unit.paths.append(file.path)
    return list(units.values())


def _key(file: SnapshotFile, language: str, path: str) -> bytes:
    # The ending too: by it the engine tells TSX from TypeScript.
    _, suffix = posixpath.splitext(file.path)
    parts = (file.digest, language.encode(), suffix.encode(), path.encode())
    return hashlib.sha256(b"\0".join(parts)).digest()[:20]
