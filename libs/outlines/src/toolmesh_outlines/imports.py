"""Turns what a file imports into paths, whatever the language writes."""

import re

from toolmesh_outlines.languages import Language

_MAX_IMPORT_CHARACTERS = 1_000
_MAX_PATHS = 200
_PATH = re.compile(r"[\w./@~+$-]+")


def import_paths(text: str, item: str, language: Language) -> list[str]:
    """Return the paths that an import names: `a.b` with item `c` is `a/b/c` in Python.

    Relative imports begin with `./` or `../`. Text that is no path gives none.
    """
    text = text[:_MAX_IMPORT_CHARACTERS].strip().strip("\"'<>`")
    if language.name == "rust":
        return [_clean(path.replace("::", "/")) for path in _expanded(text)]
    if language.name == "python":
        text = _relative_to_file(text)
        path = f"{text.rstrip('/')}/{item.replace('.', '/')}" if item else text
    elif language.import_separator == "/":
        path = text
    else:
        path = text.replace(language.import_separator, "/") + (f"/{item}" if item else "")
    path = _clean(path)
    return [path] if path and _PATH.fullmatch(path) else []


def _relative_to_file(module: str) -> str:
    """Write Python's `..a.b` as `../a/b`."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    base = "./" if dots == 1 else "../" * (dots - 1)
    return base + name.replace(".", "/")


def _expanded(text: str) -> list[str]:
    """Expand Rust's nested use lists: `a::{b, c::{d, e as f}}` is a::b, a::c::d, a::c::e."""
    paths: list[str] = []
    prefixes = [""]
    current = ""
    for part in re.split(r"([{},])", "".join(re.sub(r"\s+as\s+\w+", "", text).split())):
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
    return path.removesuffix("/*").removesuffix("/self")
