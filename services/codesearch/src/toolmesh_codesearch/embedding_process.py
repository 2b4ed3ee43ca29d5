"""Runs the process that embeds batches of texts, at low priority: all else goes first."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from toolmesh_codesearch.meanings import DIMENSIONS
from toolmesh_codesearch.model_file import ModelDamagedError

_NICE = 15
_START_SECONDS = 60.0
_BATCH_SECONDS = 300.0


class EmbeddingFailedError(RuntimeError):
    """The process does not start, ended early, or does not answer."""


@dataclass(frozen=True, slots=True)
class EmbeddingProcess:
    """A process that is ready to embed."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return the quantised embedding of each text.

        Raises:
            EmbeddingFailedError: it gave no answer, and cannot be used any more.
        """
        frame = msgspec.msgpack.encode(texts)
        try:
            self.stdin.write(len(frame).to_bytes(4) + frame)
            async with asyncio.timeout(_BATCH_SECONDS):
                length = int.from_bytes(await self.stdout.readexactly(4))
                data = await self.stdout.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise EmbeddingFailedError("the embedding process gave no answer") from error
        return [data[start : start + DIMENSIONS] for start in range(0, length, DIMENSIONS)]


@contextlib.asynccontextmanager
async def embedding_process(model: Path, threads: int) -> AsyncGenerator[EmbeddingProcess]:
    """Start a process, and end it.

    Raises:
        EmbeddingFailedError: it does not get ready.
        ModelDamagedError: it cannot load the model.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # neither the folder nor the environment that the service runs in is its business
            "-m",
            "toolmesh_codesearch.embedding_worker",
            str(model),
            str(threads),
            stdin=PIPE,
            stdout=PIPE,
            # Threads that share their heaps keep less memory that nobody uses.
            env={"MALLOC_ARENA_MAX": "2"},
        )
    except OSError as error:
        raise EmbeddingFailedError(f"no embedding process can be started: {error}") from error
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise EmbeddingFailedError("the embedding process has no pipes")
    try:
        # From here, since loading what it needs is the better part of a second already.
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        try:
            async with asyncio.timeout(_START_SECONDS):
                failure = await stdout.readexactly(int.from_bytes(await stdout.readexactly(4)))
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            raise EmbeddingFailedError("the embedding process does not get ready") from error
        if failure:
            raise ModelDamagedError(failure.decode())
        yield EmbeddingProcess(stdin, stdout)
    finally:
        # It keeps nothing, so there is nothing to wait for.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
