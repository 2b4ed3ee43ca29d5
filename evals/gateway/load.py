"""Puts load on one door with h2load: as fast as it goes, or at a fixed rate."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from evals.processes import BenchmarkError

# As many calls under way at a time at every door: 64 connections of HTTP/1.1, or 8 of HTTP/2 with
# 8 streams each.
CALLS_UNDER_WAY = 64
_HTTP2_CONNECTIONS = 8

# At a fixed rate: connections that take turns, each sending when its time has come and not when
# the answer before it is there.
_PACED_CONNECTIONS = 50
_PACED_STREAMS = 100

# Once in some hundred runs h2load misses its own end and goes on for ever: it is run again.
_SPARE_SECONDS = 5.0
_TRIES = 3

_OUTPUT = {
    "rate": re.compile(r"finished in .*?, ([\d.]+) req/s"),
    "done": re.compile(r"(\d+) done, (\d+) succeeded"),
    "codes": re.compile(r"status codes: (\d+) 2xx"),
    "bytes": re.compile(r"\((\d+)\) data"),
}


@dataclass(frozen=True)
class Request:
    """What is sent again and again.

    Attributes:
        socket: a Unix socket to send it through instead of the URL's address.
        answer_bytes: the size of the right answer's body. h2load looks at no body and knows no
            gRPC status, but a failed call has a body of another size.
    """

    url: str
    headers: tuple[str, ...]
    body_file: Path
    http1: bool
    answer_bytes: int
    socket: Path | None = None

    def arguments(self) -> list[str]:
        """h2load's arguments for it."""
        flags = ["--h1"] if self.http1 else []
        if self.socket:
            flags += ["--base-uri", f"unix:{self.socket}"]
        for header in self.headers:
            flags += ["--header", header]
        return [*flags, "--data", str(self.body_file), self.url]


@dataclass(frozen=True)
class Throughput:
    """What a door did under full load. `wrong` counts the calls without the right answer."""

    requests: int
    seconds: float
    wrong: int

    @property
    def requests_per_second(self) -> float:
        """Answered calls a second."""
        return self.requests / self.seconds

    def __add__(self, other: "Throughput") -> "Throughput":
        return Throughput(
            self.requests + other.requests, self.seconds + other.seconds, self.wrong + other.wrong
        )


@dataclass(frozen=True)
class Samples:
    """Calls at a fixed rate: how long each took and how late it was sent, in milliseconds."""

    took: list[float]
    late: list[float]
    held_back: int
    wrong: int

    def __add__(self, other: "Samples") -> "Samples":
        return Samples(
            self.took + other.took,
            self.late + other.late,
            self.held_back + other.held_back,
            self.wrong + other.wrong,
        )


@dataclass(frozen=True)
class Latency:
    """How long calls took at a fixed rate, in milliseconds from sending to the whole answer.

    Attributes:
        sent_late_p99: how far sending was behind its plan: what the load generator itself lost.
        held_back: calls that may have been sent late because the answer before was slow, so that
            the figures would flatter. 0 proves that there is no coordinated omission.
    """

    requests: int
    p50: float
    p99: float
    longest: float
    sent_late_p99: float
    held_back: int
    wrong: int

    @classmethod
    def of(cls, samples: Samples) -> "Latency":
        """Sums samples up."""
        return cls(
            requests=len(samples.took),
            p50=_percentile(samples.took, 50),
            p99=_percentile(samples.took, 99),
            longest=max(samples.took),
            sent_late_p99=_percentile(samples.late, 99),
            held_back=samples.held_back,
            wrong=samples.wrong,
        )


def require_h2load() -> None:
    """Makes sure that there is a load generator.

    Raises:
        BenchmarkError: there is none.
    """
    if shutil.which("h2load") is None:
        raise BenchmarkError(
            "h2load is missing; install it, for example with `apt-get install nghttp2-client`"
        )


async def h2load_version() -> str:
    """The load generator's name and version."""
    return (await _run(["--version"])).split()[1]


async def at_full_speed(request: Request, *, seconds: float) -> Throughput:
    """Sends each call as soon as an earlier one is answered."""
    clients = CALLS_UNDER_WAY if request.http1 else _HTTP2_CONNECTIONS
    flags = ["--clients", str(clients), "--max-concurrent-streams", str(CALLS_UNDER_WAY // clients)]
    flags += ["--duration", f"{seconds * 1000:.0f}ms"]
    output = await _run([*flags, *request.arguments()], seconds=seconds)
    # Of the calls that were under way at the end, the answer may be there in part.
    done, wrong = judged(output, request, slack_bytes=CALLS_UNDER_WAY * request.answer_bytes)
    return Throughput(done, seconds, wrong)


async def at_rate(request: Request, *, rate: int, seconds: float, log: Path) -> Samples:
    """Sends `rate` calls a second, evenly spaced, whether or not earlier ones were answered."""
    log.unlink(missing_ok=True)  # noqa: ASYNC240 - a moment, while nothing is measured
    flags = ["--clients", str(_PACED_CONNECTIONS)]
    flags += ["--max-concurrent-streams", "1" if request.http1 else str(_PACED_STREAMS)]
    # The connections start one after another, a call's spacing apart, so that they take turns.
    flags += ["--rate", "1", "--rate-period", f"{1000 / rate:.0f}ms"]
    flags += ["--rps", str(rate / _PACED_CONNECTIONS), "--requests", str(int(rate * seconds))]
    flags += ["--log-file", str(log)]
    output = await _run([*flags, *request.arguments()], seconds=seconds)
    _, wrong = judged(output, request, slack_bytes=0)
    spacing = _PACED_CONNECTIONS / rate if request.http1 else float("inf")
    return samples(log, rate=rate, spacing=spacing, wrong=wrong)


def samples(log: Path, *, rate: int, spacing: float, wrong: int) -> Samples:
    """Reads h2load's log: start (microseconds since the epoch), status, microseconds.

    Args:
        spacing: seconds between two calls of a connection that waits for its last answer.
    """
    rows = [tuple(map(int, line.split()[:3])) for line in log.read_text().splitlines()]
    starts = sorted(row[0] for row in rows)
    took = [row[2] / 1000 for row in rows]
    return Samples(
        took=took,
        late=[(start - starts[0]) / 1000 - k * 1000 / rate for k, start in enumerate(starts)],
        held_back=sum(millis >= spacing * 1000 for millis in took),
        wrong=wrong,
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def judged(output: str, request: Request, *, slack_bytes: int) -> tuple[int, int]:
    """How many calls h2load says were answered, and how many of those not rightly."""
    done, succeeded = map(int, _found("done", output).groups())
    good = min(succeeded, int(_found("codes", output)[1]))
    size = int(_found("bytes", output)[1])
    missing = abs(size - good * request.answer_bytes)
    if missing > slack_bytes:
        return done, max(done - good, missing // max(request.answer_bytes, 1), 1)
    return done, done - good


def _found(name: str, output: str) -> re.Match[str]:
    match = _OUTPUT[name].search(output)
    if match is None:
        raise BenchmarkError(f"h2load said something else than expected:\n{output}")
    return match


async def _run(arguments: Sequence[str], *, seconds: float = 0) -> str:
    """Runs h2load, which should end after `seconds`, and returns what it printed."""
    for _ in range(_TRIES):
        process = await asyncio.create_subprocess_exec(
            "h2load",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(seconds + _SPARE_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            continue
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace")
        if process.returncode:
            raise BenchmarkError(f"h2load failed:\n{text}")
        return text
    raise BenchmarkError("h2load does not end")
