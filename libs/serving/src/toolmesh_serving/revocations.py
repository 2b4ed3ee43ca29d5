"""Tokens that ended before their time, as every service holds them. Nothing here imports gRPC."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import takewhile
from typing import Final

# The sequence of a revocation is its time in milliseconds above this many bits.
SEQUENCE_TIME_SHIFT: Final = 20
# Of `PollRevocations`.
MAX_REVOCATIONS_AN_ANSWER: Final = 10_000
_MARK_BYTES: Final = 16
_DEFAULT_KEEP_SECONDS: Final = 2 * 3600.0
_PRUNE_STEP_SECONDS: Final = 60.0


def revocation_mark(kind: str, name: str) -> bytes:
    """What a revocation calls a thing that tokens hang on, such as the kind `session`."""
    return sha256(f"{kind}:{name}".encode()).digest()[:_MARK_BYTES]


def marks_of(*, session: str, user: str, roles: Iterable[str]) -> tuple[bytes, ...]:
    """The marks of all that a token hangs on; `user` empty: it belongs to no user."""
    marks = [revocation_mark("session", session)]
    if user:
        marks.append(revocation_mark("user", user))
    marks += [revocation_mark("role", role) for role in roles]
    return tuple(marks)


class Revocations:
    """The revocations that still matter. Asking costs a look-up for each mark of the token.

    Args:
        known: False until `mark_known`: some may have been made that are not here yet.
    """

    def __init__(self, *, known: bool = True) -> None:
        self._sequences: dict[bytes, int] = {}  # in the order of their sequences
        self._known = asyncio.Event()
        if known:
            self._known.set()
        self._next_prune = 0.0
        self.keep_seconds = _DEFAULT_KEEP_SECONDS
        self.last_sequence = 0

    def add(self, mark: bytes, sequence: int) -> None:
        """Takes in a revocation; the sequence must not be smaller than the one before."""
        self._sequences.pop(mark, None)
        self._sequences[mark] = sequence
        self.last_sequence = max(self.last_sequence, sequence)
        now = time.time()
        if now >= self._next_prune:
            self._next_prune = now + _PRUNE_STEP_SECONDS
            self._prune(now)

    def revoked(self, marks: Sequence[bytes], revision: int) -> bool:
        """Whether a token of these marks, whose claim `rev` is `revision`, has been revoked."""
        sequences = self._sequences
        if sequences:
            for mark in marks:
                if sequences.get(mark, 0) > revision:
                    return True
        return False

    def after(self, sequence: int) -> Iterator[tuple[bytes, int]]:
        """The revocations after `sequence`, newest first."""
        return takewhile(lambda entry: entry[1] > sequence, reversed(self._sequences.items()))

    def mark_known(self) -> None:
        """Says that all revocations up to now are here."""
        self._known.set()

    async def wait_known(self, seconds: float) -> bool:
        """Waits until all revocations are here; False when that takes too long."""
        if not self._known.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._known.wait(), seconds)
        return self._known.is_set()

    @property
    def known(self) -> bool:
        """Whether all revocations that were made before the start are here."""
        return self._known.is_set()

    def _prune(self, now: float) -> None:
        oldest = int((now - self.keep_seconds) * 1000) << SEQUENCE_TIME_SHIFT
        ended = list(takewhile(lambda entry: entry[1] < oldest, self._sequences.items()))
        for mark, _ in ended:
            del self._sequences[mark]
