"""Takes the measurements, in rounds in which every door has its turn.

The machine's speed drifts, so only figures of one round are compared with each other.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.gateway.doors import Door
from evals.gateway.load import Latency, Samples, Throughput, at_full_speed, at_rate
from evals.processes import cpu_seconds

# Each door's time in a round comes in slices, between those of the others, so that a change of the
# machine's speed meets all of them.
_SLICES = 4
_PACED_SLICES = 2
_WARM_UP_SECONDS = 0.25
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Turn:
    """What a door did at full speed.

    Attributes:
        cpu_seconds: the processor time of its servers; `behind_seconds`: of the audit log.
    """

    throughput: Throughput
    cpu_seconds: float
    behind_seconds: float = 0

    @property
    def cpu_micros(self) -> float:
        """Processor time a call, in microseconds."""
        return self.cpu_seconds / max(self.throughput.requests, 1) * 1e6

    @property
    def behind_micros(self) -> float:
        """The audit log's processor time a call, in microseconds."""
        return self.behind_seconds / max(self.throughput.requests, 1) * 1e6

    def __add__(self, other: "Turn") -> "Turn":
        return Turn(
            self.throughput + other.throughput,
            self.cpu_seconds + other.cpu_seconds,
            self.behind_seconds + other.behind_seconds,
        )


@dataclass(frozen=True)
class Measured:
    """Everything measured: by door, one entry a round."""

    turns: dict[str, list[Turn]] = field(default_factory=dict)
    latencies: dict[str, list[Latency]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        seconds: how long each door is measured in a round.
        rate: calls a second of the paced part.
        logs: files that the servers write, emptied between turns so that no disk fills up.
    """

    rounds: int
    seconds: float
    rate: int
    logs: Sequence[Path]


async def measure(
    plan: Plan, *, fast: Sequence[Door], paced: Sequence[Door], tell: Callable[[str], None]
) -> Measured:
    """Measures `fast` at full speed and `paced` at the plan's rate."""
    measured = Measured()
    for number in range(1, plan.rounds + 1):
        tell(f"round {number} of {plan.rounds}")
        turns: dict[str, Turn] = {}
        for _ in range(_SLICES):
            for door in fast:
                turn = await _turn(door, plan.seconds / _SLICES)
                turns[door.key] = turns[door.key] + turn if door.key in turns else turn
                await _rest(plan)
        samples: dict[str, Samples] = {}
        for _ in range(_PACED_SLICES):
            for door in paced:
                some = await _paced(door, plan)
                samples[door.key] = samples[door.key] + some if door.key in samples else some
                await _rest(plan)
        for door in fast:
            measured.turns.setdefault(door.key, []).append(turns[door.key])
        for door in paced:
            measured.latencies.setdefault(door.key, []).append(Latency.of(samples[door.key]))
    return measured


async def _turn(door: Door, seconds: float) -> Turn:
    await at_full_speed(door.request, seconds=_WARM_UP_SECONDS)
    before, before_behind = cpu_seconds(door.servers), cpu_seconds(door.behind)
    throughput = await at_full_speed(door.request, seconds=seconds)
    used = cpu_seconds(door.servers) - before
    return Turn(throughput, used, cpu_seconds(door.behind) - before_behind)


async def _paced(door: Door, plan: Plan) -> Samples:
    log = plan.logs[0].with_name("paced.log")
    return await at_rate(
        door.request, rate=plan.rate, seconds=plan.seconds / _PACED_SLICES, log=log
    )


async def _rest(plan: Plan) -> None:
    for log in plan.logs:
        os.truncate(log, 0)
    # Lets the servers finish what the last turn left behind.
    await asyncio.sleep(_PAUSE_SECONDS)
