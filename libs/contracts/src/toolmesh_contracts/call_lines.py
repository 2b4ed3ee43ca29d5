"""What the gateway tells the audit service of a call: a text, a line for each of these.

One text costs either side far less than as many named values. What only the gateway decides comes
first. Envoy lets no line feed into a header or a path, so nothing that a caller chooses can pass
for another line; if ever something did, it could only spoil lines that callers choose.
"""

from typing import Final

UNKNOWN: Final = "-"
"""Stands where there is nothing to tell."""

CALL_LINES: Final = (
    "id",
    "session",
    "subject",
    "actor",
    "http_status",
    "grpc_status",
    "response_flags",
    "details",
    "duration_ms",
    "bytes_in",
    "bytes_out",
    "peer",
    "http_method",
    "method",
    "http_path",
    "request_id",
    "user_agent",
)
