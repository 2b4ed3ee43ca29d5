"""How long to wait before a process that ended is started again.

One that ran well for a while is started at once, and so is one that ended twice in a row: it may
have been killed. From then on the pause doubles with each end, up to half a minute, so that a
service that dies some time after each start does not keep the machine busy with starting it.
"""

from typing import Final

# Who ran for as long as this is well again.
GOOD_RUN_SECONDS: Final = 60.0
_FREE_RESTARTS: Final = 2
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


class RestartPauses:
    """The pauses of all processes of a mesh."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}

    def after_end(self, name: str, *, ran_seconds: float) -> float:
        """The pause in seconds, now that the process ended after so long; 0: none."""
        ends = 1 if ran_seconds >= GOOD_RUN_SECONDS else self._ends.get(name, 0) + 1
        self._ends[name] = ends
        if ends <= _FREE_RESTARTS:
            return 0.0
        doublings = min(ends - _FREE_RESTARTS - 1, 10)
        return min(_FIRST_PAUSE_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS)

    def ends_in_a_row(self, name: str) -> int:
        """How often the process ended since it last ran well."""
        return self._ends.get(name, 0)
