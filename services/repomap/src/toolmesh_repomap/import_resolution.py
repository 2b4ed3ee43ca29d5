"""Finds the files that an import means.

No build configuration is read: an import is matched with the end of the files' paths, longest
first, which is right for nearly all layouts (`src/`, monorepos, `go.mod` prefixes, path aliases)
and costs no more than some lookups. A wrong match shifts a little weight in the ranking; it cannot
break anything.
"""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from toolmesh_outlines.languages import is_source_extension, language_named

# What a folder's own file is called.
_FOLDER_FILES = frozenset({"__init__", "index", "mod", "lib"})
_FEWEST_PARTS = 2
# What may mean more files than this tells nothing; large packages of Go have some hundreds.
_MOST_TARGETS = 2_000
# So many of the last parts tell all layouts apart; with every part, what a path costs would grow
# with the square of its depth. No import has more characters.
_MOST_PARTS = 16
_MOST_CHARACTERS = 1_000
# Files that lie deeper, and imports with more parts, are not those of a project.
_MOST_DEPTH = 64


class ImportResolver:
    """Resolves imports among the files of one tree, given by path and language name ("": none)."""

    def __init__(self, paths: Sequence[str], languages: Sequence[str]) -> None:
        self._languages = [
            "" if _is_deep(path) else language
            for path, language in zip(paths, languages, strict=True)
        ]
        self._modules = [_module_of(path) for path in paths]
        self._folders = [posixpath.dirname(path) for path in paths]
        families = {name: language_named(name).family if name else "" for name in set(languages)}
        self._families = [families.get(language, "") for language in self._languages]
        # Keys begin with the family: an import means a file of its own languages alone.
        by_suffix: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for index, (module, language) in enumerate(
            zip(self._modules, self._languages, strict=True)
        ):
            if not language:
                continue
            # Go imports packages, which are folders.
            name = self._folders[index] if language == "go" else module
            for suffix in _suffixes(name):
                by_suffix[self._families[index], suffix].append(index)
        self._by_suffix = {
            key: tuple(found) for key, found in by_suffix.items() if len(found) <= _MOST_TARGETS
        }
        # The tree may be a package itself, whose name is then no folder of the tree.
        self._is_package = "__init__.py" in paths
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}

    def resolve(self, importer: int, path: str) -> tuple[int, ...]:
        """Return the indexes of the files that `path`, imported by file `importer`, means.

        Equal answers for one import are one object, which lives as long as the resolver.
        """
        language = self._languages[importer]
        if not language or _is_deep(path):
            return ()
        if language == "rust":
            path = self._rust_path(importer, path)
        if path.startswith("."):
            return self._relative(importer, path)
        key = (path, language)
        if key not in self._known:
            self._known[key] = self._absolute(path, language)
        if not self._known[key] and "/" not in path:
            # A single name can be a neighbour.
            neighbour = posixpath.join(self._folders[importer], _module_of(path))
            return self._find(self._families[importer], "/" + neighbour)
        return self._known[key]

    def _find(self, family: str, suffix: str) -> tuple[int, ...]:
        return self._by_suffix.get((family, suffix), ())

    def _relative(self, importer: int, path: str) -> tuple[int, ...]:
        bases = [self._folders[importer]]
        if self._languages[importer] == "rust":
            bases.append(self._modules[importer])
        for base in bases:
            module = _module_of(posixpath.normpath(posixpath.join(base, path)))
            # The last part may be a name inside the module.
            for candidate in (module, posixpath.dirname(module)):
                if candidate and (found := self._find(self._families[importer], "/" + candidate)):
                    return found
        return ()

    def _absolute(self, path: str, language: str) -> tuple[int, ...]:
        parts = _module_of(path).split("/")
        family = language_named(language).family
        # With its last part and without: that may be a name inside the module.
        for end in (len(parts), len(parts) - 1):
            # From its beginning, as the tree or its folder may have it, or its last parts.
            for start in (*range(min(2, end)), *range(max(2, end - _MOST_PARTS), end)):
                suffix = "/".join(parts[start:end])
                anchored = start == 0 or language == "go" or (self._is_package and start == 1)
                if end - start >= _FEWEST_PARTS and (found := self._find(family, suffix)):
                    return found
                if anchored and (found := self._find(family, "/" + suffix)):
                    return found
        return ()

    def _rust_path(self, importer: int, path: str) -> str:
        first, _, rest = path.partition("/")
        module = self._modules[importer]
        if first == "crate":
            root, found, _ = f"/{module}/".rpartition("/src/")
            crate = posixpath.join(root.strip("/"), "src") if found else ""
            target = posixpath.relpath(f"/{crate}/{rest}", f"/{self._folders[importer]}")
            return f"./{target}"
        if first == "self":
            return f"./{rest}"
        if first == "super":
            return f"../{rest}" if module == self._folders[importer] else f"./{rest}"
        return path


def _module_of(path: str) -> str:
    """Return a path without its extension, and without the name of a folder's own file."""
    suffix = PurePosixPath(path[path.rfind("/") + 1 :]).suffix
    if is_source_extension(suffix):
        path = path[: -len(suffix)]
        path = path.removesuffix(".d")
    head, _, name = path.rpartition("/")
    return head if name in _FOLDER_FILES and head else path


def _is_deep(path: str) -> bool:
    return path.count("/") > _MOST_DEPTH


def _suffixes(module: str) -> list[str]:
    """Return `/a/b/c`, `a/b/c`, `b/c` and `c` for `a/b/c`: the first is the whole path."""
    suffixes = ["/" + module]
    start = len(module)
    for _ in range(_MOST_PARTS):
        start = module.rfind("/", 0, start)
        if len(module) - start <= _MOST_CHARACTERS:
            suffixes.append(module[start + 1 :])
        if start < 0:
            break
    return suffixes
