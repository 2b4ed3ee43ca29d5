"""Logs as JSON lines on stdout."""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO, TypeAlias, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

WriteLine: TypeAlias = Callable[[Mapping[str, object]], None]


class _Output:
    """Where lines go. One that cannot be written is lost: a disk that is full must fail no call."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def configure_logs(level: str, *, service: str) -> None:
    """Makes every log line a JSON object with time, level, service and event.

    Libraries that log through the standard library keep warnings and errors, in the same form.

    Raises:
        ValueError: there is no such level.
    """
    number = _number(level)

    def name_service(_: object, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        name_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the frames' local variables: they hold requests, keys and tokens.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.JSONRenderer(serializer=_serialize, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # It asks for nothing but what `_Output` has.
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Output(sys.stdout.buffer))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _serialize(event: EventDict, **_: object) -> bytes:
    return orjson.dumps(event, default=str)


def line_writer(level: str, *, service: str) -> WriteLine | None:
    """Writes log lines of level info in the form of all others, for what is logged at each call.

    It does without the processors that other lines go through, and costs a third of them. None
    when lines of that level are not wanted.
    """
    if _number(level) > logging.INFO:
        return None
    out = _Output(sys.stdout.buffer)
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z

    def write(event: Mapping[str, object]) -> None:
        line = {**event, "service": service, "level": "info", "timestamp": datetime.now(UTC)}
        out.write(orjson.dumps(line, option=options))
        out.flush()

    return write


def _number(level: str) -> int:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"TOOLMESH_LOG_LEVEL is {level!r}: use debug, info, warning or error")
    return number
