"""The languages of the Semgrep engine, read from the table that its package carries."""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class EngineLanguage:
    """A language as the engine knows it.

    `name` is what targets and rules call it, `aliases` are other names for it. `reads_any_file` is
    true of the analyzers for text, such as `regex`. `extensions` are endings of file names.
    """

    name: str
    aliases: tuple[str, ...]
    extensions: tuple[str, ...]
    reads_any_file: bool


class EngineLanguages:
    """All languages, by any of their names and by the files that they read."""

    def __init__(self, languages: tuple[EngineLanguage, ...]) -> None:
        self.all = languages
        self._by_name = {
            name: language for language in languages for name in (language.name, *language.aliases)
        }
        self.names = tuple(language.name for language in languages)
        self.aliases = tuple(alias for language in languages for alias in language.aliases)
        self._by_extension: dict[str, list[str]] = {}
        for language in languages:
            for extension in language.extensions:
                self._by_extension.setdefault(extension, []).append(language.name)
        self._any_file = tuple(each.name for each in languages if each.reads_any_file)

    @classmethod
    def load(cls) -> Self:
        """Read the engine's own table.

        Raises:
            FileNotFoundError: the engine is not installed.
        """
        table = json.loads((package_folder() / "semgrep_interfaces" / "lang.json").read_bytes())
        languages = sorted(map(_language, table), key=lambda language: language.name)
        return cls(tuple(languages))

    def find(self, name: str) -> EngineLanguage | None:
        """Return the language of that name or alias, in any case of letters."""
        return self._by_name.get(name.lower())

    def of_path(self, path: str) -> tuple[str, ...]:
        """Return the names of the languages that read a file of that path."""
        name = path.rpartition("/")[2]
        found = list(self._by_extension.get(name, ()))  # Dockerfile
        start = name.find(".")
        while start >= 0:
            found += self._by_extension.get(name[start:], ())
            start = name.find(".", start + 1)
        return (*found, *self._any_file)


def package_folder() -> Path:
    """Return the folder of the installed engine.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = find_spec("semgrep")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package `semgrep`, which has the engine, is not installed")
    return Path(spec.submodule_search_locations[0])


def _language(row: dict[str, object]) -> EngineLanguage:
    names = [str(name) for name in _items(row["keys"])]
    # The engine's own id is short ("js"); people and rules write the longest ("javascript").
    name = max(names, key=len) if str(row["id"]) in {"js", "ts", "ex"} else str(row["id"])
    return EngineLanguage(
        name=name,
        aliases=tuple(sorted({*names, str(row["id"])} - {name})),
        extensions=tuple(str(extension) for extension in _items(row["exts"]) if extension),
        reads_any_file=not row["is_target_language"],
    )


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
