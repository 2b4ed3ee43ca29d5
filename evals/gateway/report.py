"""What was measured, as a table for people and as JSON for scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from evals.gateway import doors
from evals.gateway.doors import Door
from evals.gateway.measure import Measured, Plan


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds."""

    lowest: float
    median: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one value a round."""
        return cls(min(values), median(values), max(values))

    def __format__(self, spec: str) -> str:
        return " - ".join(format(v, spec) for v in (self.lowest, self.median, self.highest))


@dataclass(frozen=True)
class Goal:
    """Something to reach, judged by the median of the rounds.

    Attributes:
        at_least: True when `bound` is the least to reach; False when it is the most allowed.
    """

    name: str
    bound: float
    unit: str
    at_least: bool
    reached: Spread

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        value = self.reached.median
        return value >= self.bound if self.at_least else value <= self.bound


def goals(measured: Measured) -> list[Goal]:
    """All goals and what was reached; both sides of each are of the same round."""

    def ratio(name: str, bound: float, this: str, that: str) -> Goal:
        pairs = zip(measured.turns[this], measured.turns[that], strict=True)
        values = [
            a.throughput.requests_per_second / b.throughput.requests_per_second for a, b in pairs
        ]
        return Goal(name, bound, "x", True, Spread.of(values))

    def cost(name: str, bound: float, this: str, that: str) -> Goal:
        pairs = zip(measured.turns[this], measured.turns[that], strict=True)
        values = [a.cpu_micros / b.cpu_micros for a, b in pairs]
        return Goal(name, bound, "x", False, Spread.of(values))

    return [
        ratio("HTTP/JSON through Envoy : FastAPI", 1.8, doors.HTTP_JSON, doors.FASTAPI),
        ratio("MCP through Envoy : FastMCP", 8, doors.MCP, doors.FASTMCP),
        ratio("gRPC through Envoy : direct", 0.65, doors.GRPC, doors.GRPC_DIRECT),
        ratio("gRPC, audited : not audited", 0.95, doors.GRPC, doors.GRPC_UNAUDITED),
        ratio("HTTP/JSON, audited : not", 0.95, doors.HTTP_JSON, doors.HTTP_JSON_UNAUDITED),
        cost("  CPU of a gRPC call, likewise", 1.05, doors.GRPC, doors.GRPC_UNAUDITED),
        cost("  CPU of an HTTP/JSON call", 1.05, doors.HTTP_JSON, doors.HTTP_JSON_UNAUDITED),
        Goal("what Envoy adds to gRPC, p50", 1, "ms", False, _added(measured, doors.GRPC, "p50")),
        Goal("what Envoy adds to gRPC, p99", 3, "ms", False, _added(measured, doors.GRPC, "p99")),
    ]


def table(measured: Measured, shown: Sequence[Door], plan: Plan) -> str:
    """The one table: requests a second, latency at the fixed rate, and the goals."""
    titles = {door.key: door.title for door in shown}
    lines = [
        f"{'at full speed':34}{'requests/s (min - median - max)':>34}"
        f"{'CPU us/call':>14}{'audit':>8}  answers",
        *_speeds(measured, titles),
        "",
        f"{f'at {plan.rate} calls/s':34}{'p50 ms (min - median - max)':>34}{'p99 ms':>26}  answers",
        *_latencies(measured, titles),
        "",
        f"{'goals, by the median':34}{'reached (min - median - max)':>34}{'goal':>14}",
        *_verdicts(measured),
    ]
    return "\n".join(lines)


def _speeds(measured: Measured, titles: dict[str, str]) -> Iterator[str]:
    for key, turns in measured.turns.items():
        rate = Spread.of([turn.throughput.requests_per_second for turn in turns])
        cpu = median(turn.cpu_micros for turn in turns)
        behind = median(turn.behind_micros for turn in turns)
        wrong = sum(turn.throughput.wrong for turn in turns)
        yield f"{titles[key]:34}{f'{rate:,.0f}':>34}{cpu:>14,.0f}{behind:>8,.0f}  {_answers(wrong)}"


def _latencies(measured: Measured, titles: dict[str, str]) -> Iterator[str]:
    for key, rounds in measured.latencies.items():
        p50 = Spread.of([latency.p50 for latency in rounds])
        p99 = Spread.of([latency.p99 for latency in rounds])
        notes = _answers(sum(latency.wrong for latency in rounds))
        held_back = sum(latency.held_back for latency in rounds)
        if held_back:
            notes += f"; {held_back} slow enough to hold back the next"
        yield f"{titles[key]:34}{f'{p50:.2f}':>34}{f'{p99:.2f}':>26}  {notes}"
        if key != doors.GRPC_DIRECT:
            more = [f"{_added(measured, key, name):.2f}" for name in ("p50", "p99")]
            yield f"{'  more than direct':34}{more[0]:>34}{more[1]:>26}"


def _verdicts(measured: Measured) -> Iterator[str]:
    for goal in goals(measured):
        bound = f"{'>=' if goal.at_least else '<='} {goal.bound:g} {goal.unit}"
        verdict = "met" if goal.met else "NOT MET"
        yield f"{goal.name:34}{f'{goal.reached:.2f}':>34}{bound:>14}  {verdict}"


def _answers(wrong: int) -> str:
    return f"{wrong} WRONG" if wrong else "all right"


def as_json(measured: Measured, plan: Plan, machine: dict[str, Any]) -> dict[str, Any]:
    """Everything measured, round by round."""
    return {
        "machine": machine,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "paced_rate": plan.rate,
        "at_full_speed": {
            key: [
                asdict(turn.throughput)
                | {
                    "requests_per_second": turn.throughput.requests_per_second,
                    "cpu_micros": turn.cpu_micros,
                    "audit_cpu_micros": turn.behind_micros,
                }
                for turn in turns
            ]
            for key, turns in measured.turns.items()
        },
        "paced": {
            key: [asdict(latency) for latency in latencies]
            for key, latencies in measured.latencies.items()
        },
        "goals": [asdict(goal) | {"met": goal.met} for goal in goals(measured)],
    }


def _added(measured: Measured, door: str, percentile: str) -> Spread:
    """Milliseconds that a door takes longer than the direct call of the same round."""
    pairs = zip(measured.latencies[door], measured.latencies[doors.GRPC_DIRECT], strict=True)
    return Spread.of(
        [getattr(this, percentile) - getattr(direct, percentile) for this, direct in pairs]
    )
