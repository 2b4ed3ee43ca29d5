"""What happened: events, and the one form in which they are kept and hashed."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import orjson

_DENIED_STATUS = (401, 403, 429)
_DENIED_CODES = ("UNAUTHENTICATED", "PERMISSION_DENIED")


class Kind(enum.Enum):
    """What an event tells of."""

    CALL = "call"
    ADMIN = "admin"


class Outcome(enum.Enum):
    """How it ended."""

    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `time` is in seconds since the epoch; empty members are not known.

    Attributes:
        id: of a call: one that the gateway chose, so no caller can have two calls look like one.
        actor: who acted for the subject, by a token that was delegated to it.
        method: the gRPC path of a call, or the action of a change.
        before, after: plain data without secrets; None: nothing was or is there.
    """

    kind: Kind
    time: float
    id: str = ""
    request_id: str = ""
    subject: str = ""
    session: str = ""
    actor: str = ""
    outcome: Outcome = Outcome.ALLOWED
    method: str = ""
    side_effect: str = ""
    http_method: str = ""
    http_path: str = ""
    http_status: int = 0
    grpc_status: str = ""
    response_flags: str = ""
    details: str = ""
    duration_ms: int = 0
    peer: str = ""
    user_agent: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    target: str = ""
    before: Mapping[str, Any] | None = field(default=None)
    after: Mapping[str, Any] | None = field(default=None)

    def canonical(self) -> bytes:
        """The bytes that are kept and hashed: JSON with sorted names, without empty members."""
        kept = {
            name: value for name in _MEMBERS if (value := getattr(self, name)) not in ("", 0, None)
        }
        return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def parse(cls, canonical: bytes) -> "Event":
        """The event of which those are the bytes.

        Raises:
            ValueError: they are no event's.
        """
        kept: dict[str, Any] = orjson.loads(canonical)
        try:
            kept |= {"kind": Kind(kept["kind"]), "outcome": Outcome(kept["outcome"])}
            return cls(**kept)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no event: {error}") from error


_MEMBERS = tuple(member.name for member in fields(Event))


def outcome_of(*, http_status: int, grpc_status: str) -> Outcome:
    """How a call ended, from what its caller was told."""
    if http_status in _DENIED_STATUS or grpc_status in _DENIED_CODES:
        return Outcome.DENIED
    if grpc_status in ("OK", "") and 200 <= http_status < 400:
        return Outcome.ALLOWED
    return Outcome.FAILED
