"""Remembers for a while what went wrong, where another run might end otherwise."""

import time
from collections import OrderedDict
from collections.abc import Collection

from toolmesh_semgrep.results import KeptFault

_SECONDS = 600.0
_MOST = 50_000


class RecentFaults:
    """Faults by file and rule, so that the pages of a scan do not each wait for a slow rule.

    A fault of all rules that ran is one of each of them, and of no rule that did not run.
    """

    def __init__(self) -> None:
        self._faults: OrderedDict[tuple[bytes, bytes], tuple[float, KeptFault]] = OrderedDict()

    def add(self, file: bytes, fault: KeptFault, ran: Collection[bytes]) -> None:
        """Remember a fault of a rule, or of all rules that ran, with a file."""
        until = time.monotonic() + _SECONDS
        for rule in [fault.rule] if fault.rule else ran:
            self._faults[file, rule] = (until, fault)
            self._faults.move_to_end((file, rule))
        while len(self._faults) > _MOST:
            self._faults.popitem(last=False)

    def of(
        self, file: bytes, rules: Collection[bytes]
    ) -> tuple[frozenset[bytes], tuple[KeptFault, ...]]:
        """Return which of the rules need not run on a file, and the faults that say why."""
        now = time.monotonic()
        found: dict[bytes, KeptFault] = {}
        for rule in rules:
            until, fault = self._faults.get((file, rule), (0.0, None))
            if fault is not None and until > now:
                found[rule] = fault
        faults: Collection[KeptFault] = dict.fromkeys(found.values())
        if len(found) < len(rules) or any(fault.rule for fault in faults):
            # Not all rules failed together, so each is named.
            faults = [KeptFault(rule, fault.reason) for rule, fault in found.items()]
        return frozenset(found), tuple(faults)
