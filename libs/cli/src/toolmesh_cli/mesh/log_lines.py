"""Makes log lines of several processes comparable in time and readable by people."""

import calendar
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

_TIME_KEYS = ("timestamp", "time")
_SHOWN_APART = {*_TIME_KEYS, "level", "service", "event", "exception"}
_SAYS_NOTHING = ("", "-", None)
# Of the gateway's access log: what is not already in the line's beginning and tells most.
_ACCESS_KEYS = ("grpc_status", "sub", "rpc", "flags", "details", "request_id")


@dataclass(frozen=True)
class LogLine:
    """One line of a process's log.

    Attributes:
        time: with a time zone; that of the line before when the line states none.
        text: the line as the process wrote it.
    """

    process: str
    time: datetime
    text: str

    def readable(self) -> str:
        """The line for people: JSON taken apart, the time left out."""
        fields = _json(self.text)
        return _without_time(self.text) if fields is None else _sentence(fields)


def parse_lines(process: str, lines: Iterable[str], *, untimed: datetime) -> Iterator[LogLine]:
    """Gives every line its time; lines without one (a traceback) keep to the line before.

    Lines before the first one with a time belong to it, or to the time `untimed` if none follows.
    """
    time: datetime | None = None
    early: list[str] = []
    for line in lines:
        time = _time(line) or time
        if time is None:
            early.append(line)
            continue
        yield from (LogLine(process, time, before) for before in early)
        early.clear()
        yield LogLine(process, time, line)
    yield from (LogLine(process, untimed, line) for line in early)


def _time(line: str) -> datetime | None:
    try:
        if fields := _json(line):
            stated = next((fields[key] for key in _TIME_KEYS if key in fields), None)
            return datetime.fromisoformat(stated) if isinstance(stated, str) else None
        for pattern, read in _FORMATS:
            if found := pattern.match(line):
                return read(found)
    except ValueError:
        return None
    return None


def _envoy_time(found: re.Match[str]) -> datetime:
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)


def _supervisor_time(found: re.Match[str]) -> datetime:
    return datetime.fromisoformat(f"{found[1]}.{found[2]}").astimezone()


def _store_time(found: re.Match[str]) -> datetime:
    month = list(calendar.month_abbr).index(found[2])  # English: the command sets no locale
    year, clock = found[3].split(" ", 1)
    return datetime.fromisoformat(f"{year}-{month:02}-{found[1]} {clock}").astimezone()


def _grpc_time(found: re.Match[str]) -> datetime:
    year = datetime.now(tz=UTC).year
    return datetime.fromisoformat(f"{year}-{found[1]}-{found[2]} {found[3]}").astimezone()


_FORMATS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], datetime]], ...] = (
    # [2026-01-31 12:00:00.123][1]...   UTC, as the command line sets it
    (
        re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\](?:\[\d+\])?"),
        _envoy_time,
    ),
    # 2026-01-31 12:00:00,123 INFO ...   local time
    (re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) "), _supervisor_time),
    # 123:M 31 Jan 2026 12:00:00.123 * ...   local time
    (re.compile(r"\d+:[A-Z] (\d\d) (\w{3}) (\d{4} \d\d:\d\d:\d\d\.\d{3}) "), _store_time),
    # I0131 12:00:00.123456 ...   local time, gRPC's own
    (re.compile(r"[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d\.\d{6})\s+\d+ "), _grpc_time),
)


def _without_time(line: str) -> str:
    for pattern, _ in _FORMATS:
        if found := pattern.match(line):
            return line[found.end() :].strip()
    return line


def _json(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _sentence(fields: dict[str, Any]) -> str:
    if "event" not in fields and "path" in fields:
        return _access(fields)
    level = fields.get("level", "info")
    parts = [] if level == "info" else [str(level).upper()]
    parts.append(str(fields.get("event", "")))
    parts += [
        f"{key}={_short(value)}"
        for key, value in fields.items()
        if key not in _SHOWN_APART and value not in _SAYS_NOTHING
    ]
    if exception := fields.get("exception"):
        parts.append(_exception(exception))
    return " ".join(parts)


def _access(fields: dict[str, Any]) -> str:
    usual = (*_SAYS_NOTHING, fields["path"], "via_upstream", "OK")
    parts = [
        f"{fields.get('http_method', '')} {fields['path']} -> {fields.get('code', '?')}"
        f" in {fields.get('duration_ms', '?')} ms"
    ]
    parts += [
        f"{key}={_short(fields[key])}"
        for key in _ACCESS_KEYS
        if key in fields and fields[key] not in usual
    ]
    return " ".join(parts)


def _exception(exception: Any) -> str:
    """The cause first: structlog lists the raised one first and its causes after it."""
    if isinstance(exception, list) and exception and isinstance(exception[0], dict):
        return f"({exception[0].get('exc_type')}: {exception[0].get('exc_value')})"
    return f"({exception})"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
