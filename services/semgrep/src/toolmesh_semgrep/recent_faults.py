"""Remembers for a while what went wrong, where another run might end otherwise."""

import time
from collections import OrderedDict
from collections.abc import Collection

from toolmesh_semgrep.results import KeptFault

_SECONDS = 600.0
_MOST = 20_000


class RecentFaults:
    """Faults by file and rule, so that the pages of a scan do not each wait for a slow rule."""

    def __init__(self) -> None:
        self._faults: OrderedDict[tuple[bytes, bytes], tuple[float, KeptFault]] = OrderedDict()

    def add(self, file: bytes, fault: KeptFault) -> None:
        """Remember a fault of a rule, or of all rules, with a file."""
        self._faults[file, fault.rule] = (time.monotonic() + _SECONDS, fault)
        self._faults.move_to_end((file, fault.rule))
        while len(self._faults) > _MOST:
            self._faults.popitem(last=False)

    def of(self, file: bytes, rules: Collection[bytes]) -> tuple[KeptFault, ...]:
        """Return what is remembered of a file and the rules; of all rules, that alone."""
        now = time.monotonic()
        for wanted in ((b"",), rules):
            known = (self._faults.get((file, rule)) for rule in wanted)
            found = tuple(fault for until, fault in filter(None, known) if until > now)
            if found:
                return found
        return ()
