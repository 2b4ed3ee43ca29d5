"""Measures the same work with Aider and with the running mesh, one after the other.

Both sides are timed here, by the caller: from the request's start until its answer is there.
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.repomap.aider_peer import open_aider
from evals.repomap.inputs import Input
from evals.repomap.memory import watched
from evals.repomap.mesh import ask, open_mesh
from evals.repomap.source_text import defined_name, is_definition, language_of
from toolmesh.repomap.v1 import repomap_service_pb2 as pb

MAX_TOKENS = 4096
_NAMES_A_QUESTION = 3
_MOST_FILES_READ = 2000
_SEED = 11
_ADDED = {
    "python": "def added{}(): pass",
    "golang": "func added{}() {{}}",
    "rust": "fn added{}() {{}}",
    "script": "function added{}() {{}}",
    "cpp": "void added{}(void) {{}}",
}


@dataclass(frozen=True)
class Question:
    """Something to ask for: words, and the names among them."""

    text: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Edit:
    """An edit and the map after it, in seconds; `push` is what it took to tell the mesh."""

    push: float
    map: float

    @property
    def seconds(self) -> float:
        """Both."""
        return self.push + self.map


@dataclass(frozen=True)
class Side:
    """What one side took, in seconds.

    Attributes:
        push: until the code is where the side reads it; Aider reads it where it is.
        cold: the first map of code that was never seen.
        questions: further maps, each for another question.
        edits: maps after one file was changed.
        peak_bytes: the most memory in use, of all its processes.
    """

    push: float
    cold: float
    questions: tuple[float, ...]
    edits: tuple[Edit, ...]
    peak_bytes: int
    token_counts: tuple[int, ...]


@dataclass(frozen=True)
class Compared:
    """Both sides on the same files."""

    name: str
    about: str
    file_count: int
    source_count: int
    ours: Side
    aider: Side | None


@dataclass(frozen=True)
class Counts:
    """How often each thing is measured."""

    our_questions: int
    aider_questions: int
    edits: int


async def compare(
    code: Input, counts: Counts, *, folder: Path, with_aider: bool, tell: Callable[[str], None]
) -> Compared:
    """Measures both sides on copies of the same files."""
    copies = folder / "ours", folder / "aider"
    paths = await asyncio.to_thread(code.copy, copies[0])
    await asyncio.to_thread(code.copy, copies[1])
    sources = [path for path in paths if language_of(path)]
    names = await asyncio.to_thread(find_names, copies[0], sources)
    questions = draw_questions(names, max(counts.our_questions, counts.aider_questions) + 1)
    tell(f"{code.name}: ours, {len(paths):,} files")
    ours = await _measure_ours(copies[0], sources, questions, counts, folder=folder / "mesh")
    aider = None
    if with_aider:
        tell(f"{code.name}: Aider")
        aider = await _measure_aider(copies[1], paths, sources, questions, counts)
    return Compared(code.name, code.about, len(paths), len(sources), ours, aider)


def find_names(tree: Path, sources: Sequence[str]) -> list[str]:
    """Names that the code defines, of four characters and more."""
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    names: set[str] = set()
    for path in drawn.sample(sources, min(len(sources), _MOST_FILES_READ)):
        language = language_of(path) or ""
        for line in (tree / path).read_text("utf-8", errors="replace").splitlines():
            if is_definition(line, language) and (name := defined_name(line)):
                names.update([name] if re.fullmatch(r"\w{4,60}", name) else [])
    return sorted(names)


def draw_questions(names: Sequence[str], count: int) -> list[Question]:
    """Questions that name some of the names each; the same at every run."""
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    questions: list[Question] = []
    for _ in range(count):
        chosen = drawn.sample(names, _NAMES_A_QUESTION)
        text = f"Where is {chosen[0]} used, and how does it work with {chosen[1]} and {chosen[2]}?"
        questions.append(Question(text, tuple(chosen)))
    return questions


def request_for(question: Question, *, workspace: str, max_tokens: int) -> pb.MapRequest:
    """The request that asks a question."""
    return pb.MapRequest(
        workspace=workspace,
        max_tokens=max_tokens,
        mentioned_names=question.names,
        **words(question.text),
    )


def words(text: str) -> dict[str, Any]:
    """The field for a question in words."""
    return {"question": text} if "question" in pb.MapRequest.DESCRIPTOR.fields_by_name else {}


async def _measure_ours(
    tree: Path,
    sources: Sequence[str],
    questions: Sequence[Question],
    counts: Counts,
    *,
    folder: Path,
) -> Side:
    async with open_mesh(folder) as mesh:
        workspace = await mesh.new_workspace("benchmark")
        tokens: list[int] = []

        async def draw(question: Question) -> None:
            request = request_for(question, workspace=workspace, max_tokens=MAX_TOKENS)
            answer = await ask(mesh.maps, request)
            tokens.append(answer.token_count)

        with watched(mesh.pids["repomap"]) as peak:
            push = await _timed(mesh.push(workspace, tree))
            cold = await _timed(draw(questions[0]))
            warm = [
                await _timed(draw(question)) for question in questions[1:][: counts.our_questions]
            ]
            edits: list[Edit] = []
            for number in range(counts.edits):
                _edit(tree / _edited(sources, number), number)
                pushed = await _timed(mesh.push(workspace, tree))
                edits.append(Edit(pushed, await _timed(draw(questions[0]))))
    return Side(push, cold, tuple(warm), tuple(edits), peak.resident_bytes, tuple(tokens))


async def _measure_aider(
    tree: Path,
    paths: Sequence[str],
    sources: Sequence[str],
    questions: Sequence[Question],
    counts: Counts,
) -> Side:
    tokens: list[int] = []
    async with open_aider(tree, paths, log=tree.parent / "aider.log") as aider:

        async def draw(question: Question) -> None:
            drawn = await aider.draw(
                max_tokens=MAX_TOKENS, text=question.text, names=question.names
            )
            tokens.append(drawn.token_count)

        with watched(aider.pid) as peak:
            cold = await _timed(draw(questions[0]))
            warm = [
                await _timed(draw(question)) for question in questions[1:][: counts.aider_questions]
            ]
            _edit(tree / _edited(sources, 0), 0)
            edit = Edit(0.0, await _timed(draw(questions[0])))
    return Side(0.0, cold, tuple(warm), (edit,), peak.resident_bytes, tuple(tokens))


async def _timed(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def _edited(sources: Sequence[str], number: int) -> str:
    return sources[(number + 1) * 7919 % len(sources)]


def _edit(file: Path, number: int) -> None:
    """Adds a definition to a file, so that it must be read, parsed and ranked anew."""
    added = _ADDED.get(language_of(file.name) or "", "class Added{}").format(number)
    with file.open("a", encoding="utf-8") as out:
        out.write(f"\n{added}\n")
