"""Reads from a failed call when the service wants it tried again."""

from typing import Any

import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def retry_seconds(error: grpc.aio.AioRpcError) -> float | None:
    """Return how long to wait before the next try; None: trying again does not help."""
    failed: Any = error  # has what a call has, which its type does not say
    status = rpc_status.from_call(failed)
    info = error_details_pb2.RetryInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            return info.retry_delay.ToTimedelta().total_seconds()
    return None
