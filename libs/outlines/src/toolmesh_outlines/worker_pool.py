"""Processes that parse, started when there is work and stopped when there is none for a while.

A pool of our own, since the standard one cannot say which job broke a worker, nor stop a job that
runs forever: a crash or a hang here costs the file that caused it, and nothing else.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import structlog

from toolmesh_outlines.outline import CRASHED, TOOK_TOO_LONG, Outline, encode_outline
from toolmesh_outlines.worker_job import Job, decode_answers, encode_jobs

_log = structlog.get_logger(__name__)

GROUP_FILES = 16
"""Small files go to a worker in groups of so many, which costs less than one by one."""

# Groups that a worker has at hand, so that it never waits while an answer travels.
_AHEAD = 2
_START_SECONDS = 30.0
_END_SECONDS = 0.2
_STALL_SECONDS = 60.0
_MAX_ATTEMPTS = 2
# Answers larger than this arrive in parts.
_READ_BYTES = 2**20


class WorkersUnavailableError(RuntimeError):
    """The worker processes do not start: the installation is broken."""


class _OneOfManyError(Exception):
    """A worker ended over one of some files; which one is not known."""


@dataclass(slots=True, eq=False)
class _Pending:
    jobs: Sequence[Job]
    answer: asyncio.Future[list[bytes]]
    attempts: int = field(default=0)


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process that parses, with its pipes."""

    process: Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader


class WorkerPool:
    """Extracts outlines in other processes.

    `max_workers` bounds the processes, `max_memory_bytes` the address space of each. `file_seconds`
    is how much processor time a file may take, and `idle_timeout` how many seconds a worker without
    work lives on.
    """

    def __init__(
        self,
        *,
        max_workers: int,
        max_memory_bytes: int,
        file_seconds: float,
        idle_timeout: float,
    ) -> None:
        self._max_workers = max_workers
        self._max_memory_bytes = max_memory_bytes
        self._file_seconds = file_seconds
        self._idle_timeout = idle_timeout
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def worker_count(self) -> int:
        """How many workers run now."""
        return len(self._tasks)

    def expect(self, file_count: int) -> None:
        """Start the workers that so many files will need: they get ready while those are read."""
        while len(self._tasks) < min(self._max_workers, file_count / GROUP_FILES):
            self._start_worker()

    async def extract(self, jobs: Sequence[Job]) -> list[bytes]:
        """Return the encoded outlines of some files, which one worker reads one after the other.

        A file that crashes its worker twice or takes too long gives an outline that says so. Raises
        WorkersUnavailableError when no worker starts.
        """
        try:
            return await self._answer(jobs)
        except _OneOfManyError:
            # One by one, only the file that is to blame pays.
            answers = await asyncio.gather(*(self._answer([job]) for job in jobs))
            return [answer for (answer,) in answers]

    async def _answer(self, jobs: Sequence[Job]) -> list[bytes]:
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Pending(jobs, answer))
        if self._queue.qsize() > len(self._tasks) * _AHEAD:
            self._start_worker()
        return await answer

    async def close(self) -> None:
        """Stop all workers; jobs under way are cancelled."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().answer.cancel()

    def _start_worker(self) -> None:
        if len(self._tasks) < self._max_workers:
            task = asyncio.create_task(self._work(), name="outline-worker")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            # Nobody may wait for an answer that will not come.
            self._fail_all(error)
        elif not self._queue.empty():
            # A job came in the moment that the worker gave up waiting.
            self._start_worker()

    async def _work(self) -> None:
        """Run workers one after the other until there is no work; each crash needs a new one."""
        limits = (str(self._max_memory_bytes), str(self._file_seconds))
        while True:
            pending: deque[_Pending] = deque()
            worker: _Worker | None = None
            try:
                async with _worker(*limits) as worker:
                    await self._converse(worker, pending)
                    return
            except TimeoutError:
                self._give_up(pending, TOOK_TOO_LONG)
            except (asyncio.IncompleteReadError, ConnectionError):
                self._ended_early(worker, pending)
            finally:
                for group in pending:
                    self._queue.put_nowait(group)

    async def _converse(self, worker: _Worker, pending: deque[_Pending]) -> None:
        while await self._fill(worker.stdin, pending):
            # The worker watches its time itself; this is for one that does not run at all.
            most_seconds = self._file_seconds * len(pending[0].jobs)
            async with asyncio.timeout(_STALL_SECONDS + 10 * most_seconds):
                length = int.from_bytes(await worker.stdout.readexactly(4))
                data = await worker.stdout.readexactly(length)
            group = pending.popleft()
            if not group.answer.done():
                group.answer.set_result(decode_answers(data))

    async def _fill(self, stdin: asyncio.StreamWriter, pending: deque[_Pending]) -> bool:
        """Give the worker work; False when there was none for the idle time."""
        while len(pending) < _AHEAD:
            if pending and self._queue.empty():
                break
            try:
                async with asyncio.timeout(None if pending else self._idle_timeout):
                    group = await self._queue.get()
            except TimeoutError:
                return False
            if group.answer.done():
                # Its caller is gone.
                continue
            # Never drained: a worker that waits for its answers to be read reads no job, and few
            # small groups are ahead.
            pending.append(group)
            if stdin.is_closing():
                raise ConnectionResetError("the worker ended while it had no work")
            frame = encode_jobs(group.jobs)
            stdin.write(len(frame).to_bytes(4) + frame)
        return True

    def _ended_early(self, worker: _Worker | None, pending: deque[_Pending]) -> None:
        if not pending:
            return
        if worker is not None and worker.process.returncode == -signal.SIGPROF:
            self._give_up(pending, TOOK_TOO_LONG)
            return
        # Perhaps something else ended the process: one more try tells.
        pending[0].attempts += 1
        if pending[0].attempts >= _MAX_ATTEMPTS or len(pending[0].jobs) > 1:
            self._give_up(pending, CRASHED)

    def _give_up(self, pending: deque[_Pending], reason: str) -> None:
        """Answer the file that a worker was at; its caller asks again for each of many."""
        group = pending.popleft()
        if len(group.jobs) > 1:
            if not group.answer.done():
                group.answer.set_exception(_OneOfManyError())
            return
        _log.warning("outlines.file_skipped", reason=reason, size_bytes=len(group.jobs[0].source))
        if not group.answer.done():
            group.answer.set_result([encode_outline(Outline(skipped=reason))])

    def _fail_all(self, error: BaseException) -> None:
        while not self._queue.empty():
            group = self._queue.get_nowait()
            if not group.answer.done():
                group.answer.set_exception(error)


@contextlib.asynccontextmanager
async def _worker(*arguments: str) -> AsyncGenerator[_Worker]:
    """Start a process that is ready for work, and end it."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # neither the folder nor the environment that the service runs in is its business
            "-m",
            "toolmesh_outlines.worker",
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            limit=_READ_BYTES,
            env={},
        )
    except OSError as error:
        raise WorkersUnavailableError(f"no parser process can be started: {error}") from error
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise WorkersUnavailableError("a parser process has no pipes")
    try:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await stdout.readexactly(4)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            raise WorkersUnavailableError("a parser process does not get ready") from error
        yield _Worker(process, stdin, stdout)
    finally:
        await _end(process, stdin)


async def _end(process: Process, stdin: asyncio.StreamWriter) -> None:
    # It ends with its input, unless it is busy. Killing one that has just died would confuse
    # asyncio's own watch for its end.
    stdin.close()
    # Before Python 3.11.5, `wait` waits for answers that nobody reads any more, too, and a timeout
    # in a task that is being cancelled does not tell that it is one.
    ended = asyncio.ensure_future(process.communicate())
    await asyncio.wait({ended}, timeout=_END_SECONDS)
    if not ended.done():
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await ended
