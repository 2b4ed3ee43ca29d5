"""How the command fails: one line on stderr, what to do about it, and an exit code for scripts."""

import enum
from collections.abc import Sequence


class ExitCode(enum.IntEnum):
    """The exit codes; scripts may rely on them."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    DENIED = 3
    NOT_FOUND = 4
    INVALID = 5
    UNAVAILABLE = 6
    DEADLINE = 7
    INTERRUPTED = 130


class CliError(Exception):
    """A failure that the user is told about in one line.

    Args:
        message: what is wrong, without a capital or a full stop.
        hint: what to do, a sentence or a command; empty when there is nothing.
        details: further lines, for example the fields at fault.
    """

    def __init__(
        self,
        message: str,
        *,
        exit_code: ExitCode = ExitCode.UNEXPECTED,
        hint: str = "",
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.hint = hint
        self.details = tuple(details)
