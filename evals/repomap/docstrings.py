"""Tasks from documentation comments: a comment is cut from the tree, and its file to be found."""

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evals.repomap.source_text import defined_name, is_definition, is_product_source, language_of
from evals.repomap.tasks import Task

_FEWEST_WORDS = 8
_MOST_WORDS = 80
_FEWEST_NAME_CHARS = 4
_MOST_FILE_BYTES = 500_000
_LINE_COMMENT = re.compile(r"\s*//[/!]?(?!/)\s?(.*)$")
_MARKUP = re.compile(r"\{@\w+\s+([^}]*)\}|</?\w+/?>")


@dataclass(frozen=True)
class _Comment:
    """A documentation comment: `text` of `name`, in the lines from `first` to `last`."""

    name: str
    text: str
    first: int
    last: int
    replacement: str = ""


def hide_docstrings(tree: Path, *, count: int, seed: int) -> list[Task]:
    """Cuts the documentation of `count` definitions, of one a file, out of the files of a tree.

    Returns the tasks to find them again.
    """
    drawn = random.Random(seed)  # noqa: S311 - no secret
    found: list[tuple[str, list[str], _Comment]] = []
    for file in sorted(file for file in tree.rglob("*") if file.is_file()):
        path = file.relative_to(tree).as_posix()
        if not is_product_source(path) or file.stat().st_size > _MOST_FILE_BYTES:
            continue
        try:
            lines = file.read_text("utf-8").split("\n")
        except UnicodeDecodeError:
            continue
        comments = [comment for comment in _comments(lines, path) if _is_telling(comment)]
        if comments:
            found.append((path, lines, drawn.choice(comments)))
    tasks: list[Task] = []
    for path, lines, comment in drawn.sample(found, min(count, len(found))):
        hidden = [""] * (comment.last - comment.first + 1)
        hidden[0] = comment.replacement
        lines[comment.first : comment.last + 1] = hidden
        (tree / path).write_text("\n".join(lines), "utf-8")
        text = re.sub(rf"\b{re.escape(comment.name)}\b", "it", comment.text)
        symbols = ((path, comment.name),)
        tasks.append(Task(f"{path}:{comment.name}", "docstring", text, (path,), symbols))
    return sorted(tasks, key=lambda task: task.id)


def _is_telling(comment: _Comment) -> bool:
    words = len(comment.text.split())
    return _FEWEST_WORDS <= words <= _MOST_WORDS and len(comment.name) >= _FEWEST_NAME_CHARS


def _comments(lines: list[str], path: str) -> Iterator[_Comment]:
    language = language_of(path)
    if language == "python":
        yield from _python_docstrings(lines)
    elif language is not None:
        yield from _comments_above(lines, language)


def _python_docstrings(lines: list[str]) -> Iterator[_Comment]:
    try:
        module = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        text = ast.get_docstring(node)
        first, last = node.body[0].lineno - 1, (node.body[0].end_lineno or 0) - 1
        # Nothing else may stand on the docstring's lines.
        if text and lines[first].lstrip()[:1] in "\"'rR" and lines[last].rstrip()[-1:] in "\"'":
            replacement = " " * node.body[0].col_offset + '"""Hidden."""'
            yield _Comment(node.name, _first_paragraph(text), first, last, replacement)


def _comments_above(lines: list[str], language: str) -> Iterator[_Comment]:
    for at, line in enumerate(lines):
        if at == 0 or not is_definition(line, language):
            continue
        name = defined_name(line)
        block = _block_above(lines, at)
        if name and block:
            first, text = block
            yield _Comment(name, _first_paragraph(text), first, at - 1)


def _block_above(lines: list[str], at: int) -> tuple[int, str] | None:
    """Where the comment that ends above a line begins, and its text."""
    first = at
    if lines[at - 1].rstrip().endswith("*/"):
        while first and not lines[first - 1].lstrip().startswith("/*"):
            first -= 1
        first -= 1
        if first < 0:
            return None
        body = "\n".join(lines[first:at]).strip().removeprefix("/**").removeprefix("/*")
        body = body.removesuffix("*/")
        return first, "\n".join(line.strip().removeprefix("*").strip() for line in body.split("\n"))
    texts: list[str] = []
    while first and (found := _LINE_COMMENT.match(lines[first - 1])):
        texts.append(found.group(1))
        first -= 1
    return (first, "\n".join(reversed(texts))) if texts else None


def _first_paragraph(text: str) -> str:
    plain = _MARKUP.sub(r"\1", text).strip()
    paragraph = re.split(r"\n\s*\n|\n\s*[@#]|\n\s*:\w+", plain, maxsplit=1)[0]
    return " ".join(paragraph.split())
