"""Turns what the gateway says of a call into an event."""

from collections.abc import Mapping

from toolmesh_audit.events import Event, Kind, outcome_of
from toolmesh_serving.admin_event import without_secrets

# Callers choose some of the texts; none may fill the log.
_MOST_CHARS = {"http_path": 1024, "user_agent": 256, "request_id": 128}
_MOST_CHARS_ELSE = 512


def call_event(
    attributes: Mapping[str, str], *, time: float, side_effects: Mapping[str, str]
) -> Event:
    """The event of one call.

    Args:
        attributes: as `toolmesh_gateway.access_log` names them; `-` is unknown.
        time: when it began, in seconds since the epoch.
        side_effects: of each gRPC path.
    """

    def text(name: str, member: str = "") -> str:
        value = attributes.get(name, "")
        limit = _MOST_CHARS.get(member or name, _MOST_CHARS_ELSE)
        return "" if value == "-" else without_secrets(value)[:limit]

    def number(name: str) -> int:
        value = attributes.get(name, "")
        return min(int(value), 2**53) if value.isdecimal() else 0

    method = text("rpc")
    status, code = number("code"), text("grpc_status")
    code = _canonical(code)
    return Event(
        kind=Kind.CALL,
        time=time,
        id=text("id"),
        request_id=text("request_id"),
        subject=text("sub"),
        session=text("session"),
        actor=text("actor"),
        outcome=outcome_of(http_status=status, grpc_status=code),
        method=method,
        side_effect=side_effects.get(method, ""),
        http_method=text("http_method"),
        http_path=text("path", "http_path"),
        http_status=status,
        grpc_status=code,
        response_flags=text("flags"),
        details=text("details"),
        duration_ms=number("duration_ms"),
        peer=text("client"),
        user_agent=text("user_agent"),
        bytes_in=number("bytes_in"),
        bytes_out=number("bytes_out"),
    )


def _canonical(code: str) -> str:
    return "CANCELLED" if code == "CANCELED" else code
