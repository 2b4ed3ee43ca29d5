"""Tasks drawn from real history, and their right answers.

The tree that maps are drawn of is an older commit, and the tasks are commits that came after it: so
one tree serves many tasks, and none of them is in it already.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.repomap.repositories import Clone
from evals.repomap.source_text import (
    SCRIPT_FUNCTIONS,
    defined_name,
    diff_attributes,
    is_product_source,
    language_of,
)

_MOST_GOLD_FILES = 6
_FEWEST_WORDS = 4
_MOST_CHARS = 1500
_FIRST_SPAN = 150
_MOST_SPAN = 4800
_MARK = "\x1e"
_UNWANTED = re.compile(
    r"^(merge|revert|release|bump|chore\(deps|build\(deps|update dependency|fix\(deps"
    r"|prepare|changelog|v?\d+\.\d+)|dependabot|renovate",
    re.IGNORECASE,
)
_TRAILER = re.compile(
    r"^\s*[A-Za-z-]+(-by| by|ed-from):.*$|^\(cherry picked.*$", re.MULTILINE | re.IGNORECASE
)
_LINK = re.compile(r"https?://\S+|\(?(?:[\w.-]+/[\w.-]+)?#\d+\)?|\bGH-\d+\b")
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@ ?(.*)$")


@dataclass(frozen=True)
class Task:
    """A question about a tree, and what an answer should show.

    Attributes:
        kind: `commit` or `docstring`.
        files: the files that matter.
        symbols: (file, name) of the definitions that matter.
    """

    id: str
    kind: str
    text: str
    files: tuple[str, ...]
    symbols: tuple[tuple[str, str], ...]


async def base_and_tasks(clone: Clone, *, count: int, seed: int) -> tuple[str, list[Task]]:
    """The commit whose tree is looked at, and `count` of the tasks that came after it.

    There are fewer where the history has no more.
    """
    head, span = clone.repository.head, _FIRST_SPAN
    while True:
        line = (await clone.git("rev-list", "--first-parent", f"-{span + 1}", head)).split()
        base = line[-1]
        tasks = await _tasks_between(clone, base, head)
        if len(tasks) >= count or span >= _MOST_SPAN or len(line) <= span:
            break
        span *= 2
    drawn = random.Random(seed).sample(tasks, min(count, len(tasks)))  # noqa: S311 - no secret
    return base, sorted(drawn, key=lambda task: task.id)


async def _tasks_between(clone: Clone, base: str, head: str) -> list[Task]:
    tree = set((await clone.git("ls-tree", "-r", "--name-only", base)).splitlines())
    basenames = {path.rsplit("/", 1)[-1] for path in tree}
    log = await clone.git(
        "log",
        "--no-merges",
        "--no-renames",
        "--name-status",
        f"--format={_MARK}%H%n%B{_MARK}",
        f"{base}..{head}",
    )
    fields = log.split(_MARK)[1:]
    tasks: list[Task] = []
    for about, changes in zip(fields[::2], fields[1::2], strict=True):
        commit, message = about.split("\n", 1)
        if _UNWANTED.search(message):
            continue
        gold = _gold_files(changes, tree)
        text = masked(message, basenames)
        if gold and len(text.split()) >= _FEWEST_WORDS:
            symbols = await _gold_symbols(clone, commit, gold)
            tasks.append(Task(commit[:12], "commit", text, gold, symbols))
    return tasks


def _gold_files(changes: str, tree: set[str]) -> tuple[str, ...]:
    changed = [line.split("\t") for line in changes.strip().splitlines()]
    sources = [(status, path) for status, path in changed if is_product_source(path)]
    old = tuple(path for status, path in sources if status == "M" and path in tree)
    # What a commit adds cannot be found, and one that changes much has no few files that matter.
    return old if len(old) == len(sources) and 1 <= len(old) <= _MOST_GOLD_FILES else ()


def masked(message: str, basenames: set[str]) -> str:
    """A commit's message without paths, file names, links, issue numbers and trailers."""
    text = _LINK.sub("", _TRAILER.sub("", message))
    kept = [
        " ".join(word for word in line.split(" ") if not _is_path(word, basenames))
        for line in text.splitlines()
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()[:_MOST_CHARS]


def _is_path(word: str, basenames: set[str]) -> bool:
    bare = word.strip("\"'`*_()[]{}<>,;:.!?")
    last = bare.rsplit("/", 1)[-1].split(":", 1)[0]
    return ("/" in bare.strip("/") and bool(re.search(r"\w/\w", bare))) or (
        "." in last and last in basenames
    )


async def _gold_symbols(
    clone: Clone, commit: str, files: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """The definitions around what a commit changed, as git's own function finder names them."""
    with TemporaryDirectory() as scratch:
        attributes = Path(scratch) / "attributes"
        attributes.write_text(diff_attributes())
        diff = await clone.git(
            "-c",
            f"core.attributesFile={attributes}",
            "-c",
            f"diff.script.xfuncname={SCRIPT_FUNCTIONS}",
            "show",
            "--format=",
            "--unified=0",
            "--no-renames",
            commit,
            "--",
            *files,
        )
    symbols: dict[tuple[str, str], None] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("--- a/"):
            path = line.removeprefix("--- a/").rstrip("\t")
        elif (hunk := _HUNK.match(line)) and language_of(path):
            name = defined_name(hunk.group(1))
            if name and len(name) > 1:
                symbols[path, name] = None
    return tuple(symbols)
