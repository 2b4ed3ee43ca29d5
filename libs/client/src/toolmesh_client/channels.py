"""Channels to the gateway or, inside the mesh, to a service."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from toolmesh_client.fresh_tokens import FreshTokens

# Returns the access token to send; may exchange or refresh one first.
TokenSource = Callable[[], Awaitable[str]]
# Returns how many seconds a call may take, or None.
TimeLeft = Callable[[], float | None]
# Returns further metadata to send, such as the trace that the call belongs to.
Forwarded = Callable[[], Mapping[str, str]]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_SESSION_SERVICE = "toolmesh.identity.v1.SessionService"
# The reasons of a refusal for which another token may help: of a service, and of other gateways.
_TOKEN_REASONS = ("TOKEN_INVALID", "")

# UNAVAILABLE means that the call did not reach a service that works, so it is tried again. With
# wait_for_ready a call to a service that is just restarting waits for it, within its deadline.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        # A refresh token that was sent twice ends its session, so it is sent once.
        {
            "name": [{"service": _SESSION_SERVICE, "method": "RefreshSession"}],
            "waitForReady": True,
        },
    ]
}
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


def service_address(pattern: str, service: str) -> str:
    """Where a service is, by the pattern of `TOOLMESH_ADDRESS_PATTERN`, `{service}` filled in."""
    return pattern.replace("{service}", service)


def open_channel(
    address: str,
    *,
    token: TokenSource | None = None,
    time_left: TimeLeft | None = None,
    forwarded: Forwarded | None = None,
    credentials: grpc.ChannelCredentials | None = None,
) -> grpc.aio.Channel:
    """Opens a channel; close it with `async with`.

    Args:
        address: `unix:path`, `host:port` or another gRPC target.
        token: where the access token of each call comes from; None sends none. If it is one of
            `FreshTokens`, a token that was refused is dropped and the call made once more with
            another, unless its request is a stream.
        time_left: bounds every call that states no timeout of its own; used inside the mesh, where
            a call must not outlive the one that it serves.
        forwarded: further metadata of each call, asked for when it is made.
        credentials: TLS; None is plain text, for loopback and for inside a cluster.
    """
    options = [*_OPTIONS, ("grpc.service_config", json.dumps(_SERVICE_CONFIG))]
    interceptors = _interceptors(_Decorator(token, time_left, forwarded))
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)


def _interceptors(decorate: "_Decorator") -> list[Any]:
    if decorate.adds_nothing:
        return []
    return [
        _UnaryUnary(decorate),
        _UnaryStream(decorate),
        _StreamUnary(decorate),
        _StreamStream(decorate),
    ]


class _Decorator:
    """Adds token, timeout and forwarded metadata to a call."""

    def __init__(
        self,
        token: TokenSource | None,
        time_left: TimeLeft | None,
        forwarded: Forwarded | None,
    ) -> None:
        self._token = token
        self._time_left = time_left
        self._forwarded = forwarded

    @property
    def adds_nothing(self) -> bool:
        """Whether calls are left as they are."""
        return self._token is None and self._time_left is None and self._forwarded is None

    async def __call__(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        return (await self.with_token(details))[0]

    async def with_token(
        self, details: grpc.aio.ClientCallDetails
    ) -> tuple[grpc.aio.ClientCallDetails, str]:
        """The call as it is sent, and the token in it that can be replaced; empty: none."""
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        token = ""
        if self._token is not None and "authorization" not in metadata:
            token = await self._token()
            metadata.add("authorization", f"Bearer {token}")
        if self._forwarded is not None:
            for key, value in self._forwarded().items():
                metadata.add(key, value)
        timeout = details.timeout
        if timeout is None and self._time_left is not None:
            timeout = self._time_left()
        sent = grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=timeout,
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )
        return sent, token if isinstance(self._token, FreshTokens) else ""

    async def dropped(self, token: str, call: Any) -> bool:
        """Whether a call failed because of its token, which is then forgotten."""
        if not isinstance(self._token, FreshTokens) or not await _is_refusal_of_token(call):
            return False
        self._token.drop(token)
        return True


async def _is_refusal_of_token(call: Any) -> bool:
    try:
        if await call.code() is not grpc.StatusCode.UNAUTHENTICATED:
            return False
    except asyncio.CancelledError:
        call.cancel()
        raise
    info = error_details_pb2.ErrorInfo()
    for key, value in await call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            any(detail.Unpack(info) for detail in status_pb2.Status.FromString(value).details)
    return info.reason in _TOKEN_REASONS


def _time_is_left(details: Any, begun: float) -> Any:
    """The call for its second try, which ends when the first one had to."""
    if details.timeout is None:
        return details
    return details._replace(timeout=max(0.0, details.timeout - (time.monotonic() - begun)))


# gRPC asks for one class per kind of call; a class of all four kinds would be taken for the first.


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, decorate: _Decorator) -> None:
        self._decorate = decorate

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        begun = time.monotonic()
        sent, token = await self._decorate.with_token(client_call_details)
        call = await continuation(sent, request)
        if token and await self._decorate.dropped(token, call):
            again = await self._decorate(_time_is_left(client_call_details, begun))
            return await continuation(again, request)
        return call


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, decorate: _Decorator) -> None:
        self._decorate = decorate

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        begun = time.monotonic()
        sent, token = await self._decorate.with_token(client_call_details)
        call = await continuation(sent, request)
        if not token:
            return call
        answers, failed = await _begun(call)
        if failed and await self._decorate.dropped(token, call):
            again = await self._decorate(_time_is_left(client_call_details, begun))
            return await continuation(again, request)
        return answers


async def _begun(call: Any) -> tuple[AsyncIterator[Any], bool]:
    """The answers of a call whose first one is here, and whether it failed before that."""
    rest = aiter(call)
    first: list[Any] = []
    failure: list[grpc.aio.AioRpcError] = []
    try:
        first.append(await anext(rest))
    except StopAsyncIteration:
        pass
    except grpc.aio.AioRpcError as error:
        failure.append(error)

    async def answers() -> AsyncIterator[Any]:
        for error in failure:
            raise error
        for answer in first:
            yield answer
        async for answer in rest:
            yield answer

    return answers(), bool(failure)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, decorate: _Decorator) -> None:
        self._decorate = decorate

    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(await self._decorate(client_call_details), request_iterator)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, decorate: _Decorator) -> None:
        self._decorate = decorate

    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(await self._decorate(client_call_details), request_iterator)
