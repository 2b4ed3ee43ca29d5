"""Numbers and times as people read them."""

import re
from datetime import UTC, datetime, timedelta

_DISTANCE = re.compile(r"([+-])([0-9]{1,6})([smhdw])")
_LETTERS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """A number of bytes, in powers of 1000: `3.2 MB`."""
    unit, *larger = _UNITS
    for following in larger:
        if abs(count) < 999.5:
            break
        unit, count = following, count / 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def number(count: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2,310 files`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def span(seconds: float) -> str:
    """How long something took or takes: `0.31 s`, `12 s`, `4 min`, `3 h 20 min`, `5 d 3 h`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def until(time: datetime) -> str:
    """How far away a time is: `in 14 min`, `3 h ago`."""
    seconds = (time - datetime.now(tz=time.tzinfo)).total_seconds()
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(-seconds)} ago"


def point_in_time(text: str) -> str:
    """A time as it was typed, in RFC 3339: `+30d` and `-1h` count from now; dates are local ones.

    Raises:
        ValueError: it is none.
    """
    if found := _DISTANCE.fullmatch(text):
        sign, count, letter = found.groups()
        distance = timedelta(**{_LETTERS[letter]: int(count)})
        time = datetime.now(tz=UTC) + (distance if sign == "+" else -distance)
    else:
        time = datetime.fromisoformat(text).astimezone(UTC)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
