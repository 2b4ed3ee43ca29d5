"""What the audit service refuses, and why."""

from toolmesh_serving.errors import Code, ToolmeshError


class TimeInvalid(ToolmeshError):
    """A time lies where it cannot."""

    code = Code.INVALID_ARGUMENT
    reason = "TIME_INVALID"


class SequenceUnknown(ToolmeshError):
    """No record of that number is kept."""

    code = Code.NOT_FOUND
    reason = "SEQUENCE_UNKNOWN"
