"""Aider's repository map as a process of its own."""

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evals.environments import PeerEnvironment
from evals.processes import BenchmarkError

_HERE = Path(__file__).parent
ENVIRONMENT = PeerEnvironment("aider", _HERE / "aider.lock")
_MOST_ANSWER_BYTES = 2**26


@dataclass(frozen=True)
class AiderMap:
    """A map that Aider drew; `seconds` is the time inside of its `get_repo_map`."""

    text: str
    token_count: int
    seconds: float


@dataclass(frozen=True)
class Aider:
    """A process that draws maps of one tree, one after the other."""

    pid: int
    stdin: StreamWriter
    stdout: StreamReader

    async def draw(self, *, max_tokens: int, text: str = "", names: Sequence[str] = ()) -> AiderMap:
        """A map for a question; `names` are mentioned on top of those in the text.

        Raises:
            BenchmarkError: the process ended.
        """
        await self.send({"max_tokens": max_tokens, "text": text, "names": list(names)})
        answer = await self.receive()
        return AiderMap(answer["map"], answer["tokens"], answer["seconds"])

    async def receive(self) -> Any:
        """The next line; see `draw` for what it raises."""
        line = await self.stdout.readline()
        if not line:
            raise BenchmarkError("Aider's process ended; its log says why")
        return orjson.loads(line)

    async def send(self, message: dict[str, Any]) -> None:
        """Sends a line."""
        self.stdin.write(orjson.dumps(message) + b"\n")
        await self.stdin.drain()


@asynccontextmanager
async def open_aider(
    root: Path, paths: Sequence[str], *, log: Path, rank_once: bool = False
) -> AsyncGenerator[Aider]:
    """Runs Aider for the tree at `root`, in which it keeps its cache; `paths` are the tree's files.

    It is loaded and waits for the first question when the block begins.

    With `rank_once` it does not rank again where only the budget is another: never for timing.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            ENVIRONMENT.python,
            _HERE / "peers" / "aider_map.py",
            stdin=PIPE,
            stdout=PIPE,
            stderr=output,
            limit=_MOST_ANSWER_BYTES,
        )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise BenchmarkError("Aider's process has no pipes")
    try:
        aider = Aider(process.pid, stdin, stdout)
        await aider.send({"root": str(root), "paths": list(paths), "rank_once": rank_once})
        await aider.receive()
        yield aider
    finally:
        stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
