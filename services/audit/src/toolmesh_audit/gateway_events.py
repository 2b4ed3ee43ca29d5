"""Turns what the gateway says of a call into an event."""

from collections.abc import Mapping
from typing import Any

from toolmesh_audit.events import Event, Kind, outcome_of
from toolmesh_contracts.call_lines import CALL_LINES, UNKNOWN
from toolmesh_serving.admin_event import without_secrets

# Callers choose some of the texts; none may fill the log.
_MOST_CHARS = {"http_path": 1024, "user_agent": 256, "request_id": 128}
_MOST_CHARS_ELSE = 512
_NUMBERS = frozenset({"http_status", "duration_ms", "bytes_in", "bytes_out"})
_LIMITS = tuple(
    (name, 0 if name in _NUMBERS else _MOST_CHARS.get(name, _MOST_CHARS_ELSE))
    for name in CALL_LINES
)


def call_event(lines: str, *, time: float, side_effects: Mapping[str, str]) -> Event:
    """The event of one call.

    Args:
        lines: as `toolmesh_contracts.call_lines` orders them; missing ones are unknown.
        time: when it began, in seconds since the epoch.
        side_effects: of each gRPC path.
    """
    values = without_secrets(lines).split("\n", len(CALL_LINES) - 1)
    # The last may hold line feeds in spite of all; a number is 0 where it is none.
    members: dict[str, Any] = {
        name: (value[:limit] if limit else _number(value))
        for (name, limit), value in zip(_LIMITS, values, strict=False)
        if value != UNKNOWN
    }
    if members.get("grpc_status") == "CANCELED":
        members["grpc_status"] = "CANCELLED"
    return Event(
        kind=Kind.CALL,
        time=time,
        outcome=outcome_of(
            http_status=members.get("http_status", 0), grpc_status=members.get("grpc_status", "")
        ),
        side_effect=side_effects.get(members.get("method", ""), ""),
        **members,
    )


def _number(value: str) -> int:
    return min(int(value), 2**53) if value.isdecimal() else 0
