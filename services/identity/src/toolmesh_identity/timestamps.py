"""Times as protos have them, and as seconds since the epoch."""

from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh_identity.errors import TimeInvalid
from toolmesh_serving.errors import FieldViolation


def timestamp(seconds: float) -> Timestamp | None:
    """The proto of a time; None for 0, which is never."""
    if not seconds:
        return None
    made = Timestamp()
    made.FromMicroseconds(int(seconds * 1e6))
    return made


def seconds_of(given: Timestamp, *, field: str) -> int:
    """The seconds of a request's time.

    Raises:
        TimeInvalid: it is no time that can be.
    """
    try:
        return given.ToSeconds()
    except ValueError as error:
        raise TimeInvalid(
            f"{field} is no time that can be",
            field_violations=[FieldViolation(field, str(error))],
        ) from None
