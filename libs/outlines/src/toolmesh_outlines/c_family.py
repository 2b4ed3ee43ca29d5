"""Reads what C and C++ write unlike other languages: macros like functions, names of operators."""

from tree_sitter import Node

_OPERATORS = frozenset({"operator_name", "operator_cast"})


def is_macro_call(node: Node, name: Node) -> bool:
    """Tell whether a function of a name in capitals is a macro's call: a test, a lock's annotation.

    Without the preprocessor both look the same. A function has a type before its name, and nothing
    beside the two that cannot be read; a constructor has its class's name before its own. Names
    that begin or end with an underscore are macros: `__P((int))`, `NAME_(start)(int)`.
    """
    if _is_constructor(name):
        return False
    before, declared = node.child_by_field_name("type"), node.child_by_field_name("declarator")
    if before is None or declared is None or declared.has_error:
        return True
    if _text(name) != _text(name).strip(b"_"):
        return True
    # In the body of a function that could not be read, `Stream OUT(file)` is a variable.
    if node.parent is not None and node.parent.type == "compound_statement":
        return True
    # `Mutex lock GUARDED_BY(mutex)`; in `DWORD WINAPI MAIN(...)`, what cannot be read is a macro.
    if any(child.is_error and not _text(child).isupper() for child in node.children):
        return True
    # A macro on a line of its own looks like the type of what stands below it.
    is_macro = before.type == "macro_type_specifier" or _text(before).isupper()
    return is_macro and before.end_point.row < name.start_point.row


def _is_constructor(name: Node) -> bool:
    """Tell whether a name, such as that in `a::B<c>::B`, is its class's own; a destructor's too."""
    around = name.parent
    scope = around.child_by_field_name("scope") if around is not None else None
    if scope is not None and scope.type == "template_type":
        scope = scope.child_by_field_name("name")
    return scope is not None and _text(scope) == _text(name).lstrip(b"~")


def _text(node: Node) -> bytes:
    return node.text or b""


def operator_name(node: Node, source: bytes) -> bytes:
    """Return what an operator is called, if the name is one's: `operator==`, `operator bool`."""
    end = node.end_byte
    if node.type == "operator_cast":
        # The type may have parentheses, too: the parameters are those of the innermost declarator.
        inner: Node | None = node
        while inner is not None and inner.type != "abstract_function_declarator":
            count = inner.named_child_count
            inner = inner.named_child(count - 1) if count else None
        end = end if inner is None else inner.start_byte
    name = b" ".join(source[node.start_byte : end].split())
    symbol = name.removeprefix(b"operator").lstrip()
    is_word = symbol[:1].isalpha() or symbol[:1] == b"_"
    return name if is_word or node.type not in _OPERATORS else b"operator" + symbol
