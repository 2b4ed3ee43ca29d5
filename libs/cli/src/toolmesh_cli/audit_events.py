"""An audit event as people read it: a line."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

import click

from toolmesh_cli.wording import span

COLUMNS: Final = ("time", "record", "who", "outcome", "what", "took", "from")
RIGHT: Final = ("record",)
_COLOURS: Final = {"denied": "yellow", "failed": "red"}
# What most lines have room for; a longer one pushes the rest to the right.
_WIDTHS: Final = (19, 7, 12, 8, 52, 7, 0)


def cells(event: Any) -> Sequence[str]:
    """The cells of an event, one for each of `COLUMNS`."""
    time = event.event_time.ToDatetime(tzinfo=UTC).astimezone()
    took = source = ""
    if event.HasField("call"):
        took = span(event.call.duration.ToTimedelta().total_seconds())
        source = event.call.peer
    return (
        f"{time:%Y-%m-%d %H:%M:%S}",
        str(event.sequence),
        _who(event),
        _outcome(event),
        _what(event),
        took,
        source,
    )


def line(event: Any) -> str:
    """The event as one line, with its outcome in colour."""
    padded = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for name, cell, width in zip(COLUMNS, cells(event), _WIDTHS, strict=True)
    ]
    colour = _COLOURS.get(_outcome(event))
    padded[3] = click.style(padded[3], fg=colour) if colour else padded[3]
    return "  ".join(padded).rstrip()


def _who(event: Any) -> str:
    """The subject, and after it who acted in its name."""
    return f"{event.subject or '-'} by {event.actor}" if event.actor else event.subject or "-"


def _outcome(event: Any) -> str:
    enum = event.DESCRIPTOR.fields_by_name["outcome"].enum_type
    name = enum.values_by_number[event.outcome].name
    return name.removeprefix("AUDIT_OUTCOME_").lower() if event.outcome else "-"


def _what(event: Any) -> str:
    if event.HasField("change"):
        return f"{event.change.action} {event.change.target}".rstrip()
    call = event.call
    if call.side_effect:
        return call.method.removeprefix("/toolmesh.") + _why(call)
    return f"{call.http_method} {call.method}{_why(call)}".lstrip() or "(the record is garbled)"


def _why(call: Any) -> str:
    """How the call ended, unless it ended well."""
    status = call.grpc_status or (str(call.http_status) if call.http_status >= 400 else "")
    return f" {status}" if status not in ("", "OK") else ""
