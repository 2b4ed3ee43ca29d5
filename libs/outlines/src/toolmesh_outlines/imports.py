"""Turns what a file imports into paths, whatever the language writes."""

import re

from toolmesh_outlines.languages import Language

_MAX_IMPORT_CHARACTERS = 1_000
_MAX_PATHS = 200
_PATH = re.compile(r"[\w./@~+$-]+")

# Languages whose imports take several names out of one place: `a.{b, c}`.
_NESTED = frozenset({"rust", "scala", "elixir"})
_RENAMED = re.compile(r"\s+as\s+\w+|\s*=>\s*\w+")
_WILDCARD = re.compile(r"/(?:\*|_|self|given)$")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What a shell script puts before a path to say where the script itself is.
_SHELL_FOLDER = re.compile(r"^.*(?:[})`]|\$\w+)\"?/+")


def import_paths(text: str, item: str, language: Language) -> list[str]:
    """Return the paths that an import names: `a.b` with item `c` is `a/b/c` in Python.

    Relative imports begin with `./` or `../`. Text that is no path gives none.
    """
    text = text[:_MAX_IMPORT_CHARACTERS].strip().strip("\"'<>`")
    if language.name in _NESTED:
        return [_module_path(path, language) for path in _expanded(text.removeprefix("import "))]
    if language.family == "ocaml":
        # A file `store.ml` is the module `Store`.
        path = "/".join(part[:1].lower() + part[1:] for part in text.split("."))
    elif language.name == "hcl":
        # A module is a folder; what others see of it stands in its `main.tf` by custom.
        path = f"{text.rstrip('/')}/main" if text.startswith(".") else text
    elif language.name == "bash":
        path = _SHELL_FOLDER.sub("", text)
    elif language.name == "python":
        text = _relative_to_file(text)
        path = f"{text.rstrip('/')}/{item.replace('.', '/')}" if item else text
    elif language.import_separator == "/":
        path = text
    else:
        path = text.replace(language.import_separator, "/") + (f"/{item}" if item else "")
    path = _clean(path)
    return [path] if path and _PATH.fullmatch(path) else []


def _module_path(path: str, language: Language) -> str:
    path = _clean(path.replace(language.import_separator, "/"))
    # A file `stock_item.ex` has the module `StockItem`.
    return _WORD_START.sub("_", path).lower() if language.name == "elixir" else path


def _relative_to_file(module: str) -> str:
    """Write Python's `..a.b` as `../a/b`."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    base = "./" if dots == 1 else "../" * (dots - 1)
    return base + name.replace(".", "/")


def _expanded(text: str) -> list[str]:
    """Expand nested lists of imports: `a::{b, c::{d, e as f}}` is a::b, a::c::d, a::c::e."""
    paths: list[str] = []
    prefixes = [""]
    current = ""
    for part in re.split(r"([{},])", "".join(_RENAMED.sub("", text).split())):
        if part == "{":
            prefixes.append(prefixes[-1] + current)
            current = ""
        elif part in {",", "}"}:
            if current:
                paths.append(prefixes[-1] + current)
            current = ""
            if part == "}" and len(prefixes) > 1:
                prefixes.pop()
        else:
            current = part
    if current:
        paths.append(prefixes[-1] + current)
    return paths[:_MAX_PATHS]


def _clean(path: str) -> str:
    return _WILDCARD.sub("", path)
