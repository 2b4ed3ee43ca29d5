"""Blanks out what a grammar cannot read, so that it can read what stands around it."""

import re

# `class API_EXPORT Name` and `API_EXPORT int name(...)`: without the preprocessor, the grammars
# take the macro for the name or for the type.
_C_MACROS = (
    re.compile(rb"\b(?:class|struct)\s+([A-Z][A-Z0-9_]+(?:\([^()\n]*\))?)\s+[A-Za-z_]\w*\s*[\w:{]"),
    re.compile(rb"\b(?:class|struct)\s+(__attribute__\s*\(\([^\n]*?\)\))"),
    re.compile(
        rb"^[ \t]*((?:[A-Z][A-Z0-9]*_)*(?:API|EXPORTS?|EXTERN|INLINE|PUBLIC|FUNC|DECL))"
        rb"[ \t]+(?=[A-Za-z_])",
        re.MULTILINE,
    ),
)

# The grammar knows few of the conditions; both branches are code to it.
_SWIFT_DIRECTIVES = (
    re.compile(rb"^[ \t]*(#(?:if|elseif|else|endif)\b[^\n]*)", re.MULTILINE),
    re.compile(rb"\b(sending)[ ]+(?=[@(A-Z])"),
)

# Modifiers that the grammar does not know at these places, and `constructor` on a line of its own.
_KOTLIN_MODIFIERS = (
    re.compile(rb"\b(actual|expect)[ ]+(?=va[lr]\b|constructor\b)"),
    re.compile(rb"\b(fun)[ ]+interface\b"),
    re.compile(
        rb"\bclass[ \t]+\w+(?:<[^{}()\n]*>)?\s*\n\s*("
        rb"(?:@[\w.]+(?:\([^()]*\))?\s+|(?:internal|private|protected|public|actual|expect)\s+)*"
        rb"constructor)(?=\s*\()"
    ),
)

_NOT_NEWLINE = re.compile(rb"[^\n]")
_PATTERNS = {
    "c": _C_MACROS,
    "cpp": _C_MACROS,
    "swift": _SWIFT_DIRECTIVES,
    "kotlin": _KOTLIN_MODIFIERS,
}


def blanked(source: bytes, language: str) -> bytes:
    """Return `source` with what its grammar cannot read replaced by blanks: offsets stay."""
    result: bytearray | None = None
    for pattern in _PATTERNS.get(language, ()):
        for match in pattern.finditer(source):
            result = bytearray(source) if result is None else result
            start, end = match.span(1)
            result[start:end] = _NOT_NEWLINE.sub(b" ", source[start:end])
    return source if result is None else bytes(result)
