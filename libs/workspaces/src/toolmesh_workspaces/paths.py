"""Which paths and link targets a snapshot may hold."""

from toolmesh_workspaces.limits import Limits


def path_fault(path: str, encoded: bytes, limits: Limits) -> str | None:
    """Return what is wrong with a file's path, or None. `encoded` is the path in UTF-8."""
    if len(encoded) > limits.path_bytes:
        return f"is longer than {limits.path_bytes} bytes"
    if len(encoded) > limits.part_bytes:
        longest = max(encoded.split(b"/"), key=len)
        if len(longest) > limits.part_bytes:
            return f"has a part longer than {limits.part_bytes} bytes"
    if path.count("/") >= limits.path_parts:
        return f"has more than {limits.path_parts} parts"
    # Nearly every path is clean, and substring search is the cheapest way to see that.
    framed = f"/{path}/"
    if not ("//" in framed or "/." in framed or "\\" in path or "\0" in path or ":" in path):
        return None
    return _text_fault(path) or _part_fault(path)


def target_fault(target: str, encoded: bytes, limits: Limits) -> str | None:
    """Return what is wrong with the form of a link's target, or None.

    Where the link leads is for `links.check_links`, which knows all links of the tree.
    """
    if len(encoded) > limits.path_bytes:
        return f"is longer than {limits.path_bytes} bytes"
    return _text_fault(target)


def _text_fault(text: str) -> str | None:
    if not text:
        return "is empty"
    if "\0" in text:
        return "holds a NUL"
    if text[0] == "/":
        return "is absolute"
    if "\\" in text:
        return "holds a backslash, which other systems take for a separator"
    if text[1:2] == ":" and text[0].isascii() and text[0].isalpha():
        return "begins with a drive letter"
    return None


def _part_fault(path: str) -> str | None:
    for part in path.split("/"):
        if not part:
            return "has an empty part"
        if part in {".", ".."}:
            return f"has a part `{part}`"
        if part.lower() == ".git":
            return "has a part `.git`, whose hooks and settings would run commands in a checkout"
    return None
