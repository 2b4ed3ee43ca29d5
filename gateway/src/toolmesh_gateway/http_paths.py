"""HTTP path templates of `google.api.http`, as regular expressions and with other names."""

import re
from collections.abc import Callable

_VARIABLE = re.compile(r"\{([^=}]+)(?:=([^}]*))?\}")


def is_literal(template: str) -> bool:
    """Whether the template matches one path alone."""
    return "{" not in template and "*" not in template


def template_regex(template: str) -> str:
    """A regular expression (RE2) that matches the whole paths which the template matches.

    A variable without a pattern, and `*`, is one segment; `**` is any number of them.
    """
    return _segments(_VARIABLE.sub(lambda found: found[2] or "*", template))


def lua_pattern(template: str) -> str:
    """The same as a Lua pattern, anchored at both ends."""
    pattern = _VARIABLE.sub(lambda found: found[2] or "*", template)
    pieces = {"**": ".*", "*": "[^/:]+"}
    parts = re.split(r"(\*\*|\*)", pattern)
    return (
        "^" + "".join(pieces.get(p) or re.sub(r"([^A-Za-z0-9/:_])", r"%\1", p) for p in parts) + "$"
    )


def rename_variables(template: str, rename: Callable[[str], str]) -> str:
    """The template with each variable's name put through `rename`."""

    def renamed(found: re.Match[str]) -> str:
        pattern = "" if found[2] is None else f"={found[2]}"
        return "{" + rename(found[1]) + pattern + "}"

    return _VARIABLE.sub(renamed, template)


def _segments(pattern: str) -> str:
    pieces = {"**": ".*", "*": "[^/:]+"}
    return "".join(pieces.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
