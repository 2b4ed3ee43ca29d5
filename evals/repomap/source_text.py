"""What can be told of source files without a parser, the same for all that are compared."""

import re
from pathlib import PurePosixPath

_LANGUAGES = {
    "py": "python",
    "go": "golang",
    "java": "java",
    "rs": "rust",
    "ts": "script",
    "tsx": "script",
    "js": "script",
    "jsx": "script",
    "mjs": "script",
    "mts": "script",
    "vue": "script",
    "c": "cpp",
    "h": "cpp",
    "cc": "cpp",
    "cpp": "cpp",
    "hpp": "cpp",
    "rb": "ruby",
    "php": "php",
    "cs": "csharp",
    "kt": "kotlin",
}
_TEST = re.compile(
    r"(^|/)(tests?|testing|testsuite|testutil|__tests__|specs?|testdata|fixtures?|e2e|playground"
    r"|bench(es|marks?)?|examples?|docs?|docs_src|packages-private|hack|scripts?|vendor"
    r"|third_party|deps|node_modules|dist)/"
    r"|(^|/)test_[^/]*$|[_.-](test|spec|bench)\.[a-z]+$|Tests?\.java$|(^|/)conftest\.py$",
)
_DEFINED = re.compile(
    r"\b(?:def|func|fn|function\*?|class|struct|enum|trait|interface|type|mod|macro_rules!|const"
    r"|namespace|record|object|fun)\s+(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*)"
)
_CALLED = re.compile(r"([A-Za-z_$][\w$]*)\s*(?:<[^<>()]*>)?\s*\(")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
# What a line that begins a definition looks like, at the line's start.
_MODIFIERS = (
    r"(?:(?:export|default|declare|abstract|async|pub(?:\([^)]*\))?|unsafe|extern|public|protected"
    r"|private|static|final|inline|override|sealed|partial|virtual|readonly|open|internal|data"
    r"|suspend|synchronized|native)\s+)*"
)
_DEFINITIONS = {
    "python": re.compile(r"\s*(?:async\s+)?(?:def|class)\s+\w"),
    "golang": re.compile(r"(?:func|type|var|const)\s+[\w(]"),
    "rust": re.compile(
        rf"\s*{_MODIFIERS}(?:const\s+)?(?:fn|struct|enum|trait|type|mod|macro_rules!|union)\s+\w"
    ),
    "java": re.compile(
        rf"\s*{_MODIFIERS}(?:class\s+\w|interface\s+\w|enum\s+\w|record\s+\w"
        r"|(?:<[^>]+>\s+)?[A-Z]?[\w.<>\[\], ?]+\s+\w+\s*\([^;]*$)"
    ),
    "script": re.compile(
        rf"\s*{_MODIFIERS}(?:function\*?|class|interface|enum|type|namespace)\s+\w"
        rf"|{_MODIFIERS}(?:const|let|var)\s+\w"
        r"|  (?!(?:if|for|while|switch|catch|return|else|do)\b)(?:(?:static|async|get|set|private"
        r"|public|protected|readonly)\s+)*[\w$]+\s*\([^;]*\{\s*$"
    ),
    "cpp": re.compile(
        r"(?!(?:if|for|while|switch|return|else|do|case|default)\b)"
        r"(?:(?:typedef\s+)?(?:class|struct|enum|union|namespace)\s+\w|#define\s+\w+\("
        r"|[A-Za-z_][\w:<>,*&\s]*[\s*&]~?[\w:]+\s*\([^;]*$)"
    ),
}
_OTHER = re.compile(rf"\s*{_MODIFIERS}(?:def|func|function|fun|class|module|interface|struct)\s+\w")


def language_of(path: str) -> str | None:
    """The language of a source file by its ending, as git's diff drivers are called; or None."""
    return _LANGUAGES.get(PurePosixPath(path).suffix[1:].lower())


def is_product_source(path: str) -> bool:
    """Whether a path is source code that is neither a test, an example nor foreign code."""
    return language_of(path) is not None and not _TEST.search(path)


def is_definition(line: str, language: str) -> bool:
    """Whether a line looks as if it began a definition."""
    return bool(_DEFINITIONS.get(language, _OTHER).match(line))


def defined_name(line: str) -> str | None:
    """The name that a line which begins a definition defines, or None."""
    if line.lstrip().startswith("impl"):
        words = _WORD.findall(re.sub(r"<[^<>]*>", "", line))
        return words[-1] if len(words) > 1 else None
    if found := _DEFINED.search(line):
        return found.group(1)
    found = _CALLED.search(line)
    return found.group(1) if found else None


def diff_attributes() -> str:
    """A gitattributes file that says which diff driver finds the functions of a language."""
    return "".join(f"*.{ending} diff={driver}\n" for ending, driver in _LANGUAGES.items())


# git shows what the first group matches.
_BLANKS = "[ \t]"  # a real tab: git's expressions know no escape for it
SCRIPT_FUNCTIONS = "\n".join(
    [
        rf"!^{_BLANKS}*(if|for|while|switch|catch|return|else|do)({_BLANKS}|\()",
        rf"^{_BLANKS}*(((export|default|declare|abstract|async){_BLANKS}+)*"
        rf"(function\*?|class|interface|enum|type|namespace){_BLANKS}+[A-Za-z_$].*)$",
        rf"^((export{_BLANKS}+)?(const|let|var){_BLANKS}+[A-Za-z_$][A-Za-z0-9_$]*.*)$",
        rf"^  (((static|async|get|set|private|public|protected|readonly){_BLANKS}+)*"
        rf"[A-Za-z_$][A-Za-z0-9_$]*{_BLANKS}*\([^;]*\{{{_BLANKS}*)$",
    ]
)
"""JavaScript's and TypeScript's functions for git, which knows none of its own."""
