"""Calls any method of the contract without code of its own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc.aio
from google.protobuf import json_format
from google.protobuf.message import Message

from toolmesh_contracts.contract import Method


def parse_arguments(method: Method, arguments: Mapping[str, Any]) -> Message:
    """Builds a request from JSON-like arguments, in proto or camelCase names.

    Raises:
        ValueError: an argument is unknown or of another type; the text names it.
    """
    request = method.input_class()
    try:
        json_format.ParseDict(dict(arguments), request, descriptor_pool=method.input.file.pool)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    return request


async def call_method(channel: grpc.aio.Channel, method: Method, request: Message) -> Message:
    """Calls a unary method, with the method's own timeout.

    Raises:
        grpc.aio.AioRpcError: the call failed.
    """
    call: Any = channel.unary_unary(
        method.path,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )
    return await call(request, timeout=method.policy.timeout_seconds)


async def stream_method(
    channel: grpc.aio.Channel, method: Method, request: Message
) -> AsyncIterator[Message]:
    """Calls a server-streaming method and yields its answers; see `call_method`."""
    call: Any = channel.unary_stream(
        method.path,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )
    async for message in call(request, timeout=method.policy.timeout_seconds):
        yield message
