"""Runs every RPC through the stages.

It is one gRPC interceptor, whatever the number of stages: a handler is wrapped once a method, and a
call then costs plain function calls. Nested interceptors would cost a coroutine each.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from grpc_status import rpc_status

from toolmesh_contracts.contract import ContractError, method_policy
from toolmesh_contracts.field_rules import RuleError
from toolmesh_serving.call import (
    Call,
    ServedMethod,
    enter_call,
    enter_metadata,
    request_metadata,
)
from toolmesh_serving.errors import DeadlineExceeded
from toolmesh_serving.stage import Stage
from toolmesh_serving.time_limit import TimeLimit

_log = structlog.get_logger()

# Generic in the stubs alone, so not at run time.
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Pipeline(grpc.aio.ServerInterceptor):
    """The stages around every RPC.

    Args:
        stages: outermost first.
        open_paths: gRPC paths that pass untouched, such as the health check's. All other methods
            need a policy: one without is answered as if it were not there.
    """

    def __init__(self, stages: Sequence[Stage], *, open_paths: frozenset[str]) -> None:
        # Only what a stage really does is called, and how many stages stand outside of it is known.
        numbered = list(enumerate(stages))
        self._stage_count = len(numbered)
        self._begins = tuple((n, s.begin) for n, s in numbered if _has(s, "begin"))
        self._messages = tuple(s.message for _, s in numbered if _has(s, "message"))
        self._ends = tuple((n, s.end) for n, s in reversed(numbered) if _has(s, "end"))
        self._open_paths = open_paths
        self._handlers: dict[str, Any] = {}  # a handler, or None for one that is refused
        self._running = 0
        self._idle = asyncio.Event()

    async def ended(self, *, within_seconds: float) -> bool:
        """Waits until the stages have seen the end of every call that they saw begin.

        gRPC counts a call that was cancelled as over while its handler still unwinds, so what the
        stages do at its end, such as the log line and the span, may come later.

        Returns:
            False when a call was still under way after that time.
        """
        if self._running:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), within_seconds)
        return not self._running

    async def intercept_service(
        self, continuation: Any, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Finds the method's wrapped handler; None when there is none that may be served."""
        # Read here, where they are at hand: the context would build them anew.
        enter_metadata(handler_call_details.invocation_metadata)
        path = handler_call_details.method
        if path in self._handlers:
            return self._handlers[path]
        handler = await continuation(handler_call_details)
        if handler is not None:  # unknown paths are not kept: there is no end of them
            if path not in self._open_paths:
                method = _served_method(path)
                handler = self._wrap(method, handler) if method else None
            self._handlers[path] = handler
        return handler

    def _wrap(self, method: ServedMethod, handler: _Handler) -> _Handler:
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            if handler.request_streaming:
                work = self._streaming(method, handler.stream_stream, stream_in=True)
                return grpc.stream_stream_rpc_method_handler(work, **serializers)
            work = self._streaming(method, handler.unary_stream, stream_in=False)
            return grpc.unary_stream_rpc_method_handler(work, **serializers)
        if handler.request_streaming:
            work = self._unary(method, handler.stream_unary, stream_in=True)
            return grpc.stream_unary_rpc_method_handler(work, **serializers)
        work = self._unary(method, handler.unary_unary, stream_in=False)
        return grpc.unary_unary_rpc_method_handler(work, **serializers)

    def _unary(self, method: ServedMethod, work: Any, *, stream_in: bool) -> Any:
        async def run(request: Any, context: _Context) -> Any:
            call = self._open(method, context)
            begun = 0
            response = None
            try:
                for begun, begin in self._begins:  # noqa: B007 - used when one raises
                    waiting = begin(call)
                    if waiting is not None:
                        await waiting
                begun = self._stage_count
                request = self._admit(call, request, stream_in=stream_in)
                with TimeLimit(call.remaining()):
                    response = await work(request, context)
            except Exception as error:
                call.error = error
            except asyncio.CancelledError as error:
                call.error = error
                self._end(call, begun)
                raise
            self._end(call, begun)
            if call.error is not None:
                await _abort(call)
            return response

        return run

    def _streaming(self, method: ServedMethod, work: Any, *, stream_in: bool) -> Any:
        async def run(request: Any, context: _Context) -> None:
            call = self._open(method, context)
            begun = 0
            try:
                for begun, begin in self._begins:  # noqa: B007 - used when one raises
                    waiting = begin(call)
                    if waiting is not None:
                        await waiting
                begun = self._stage_count
                request = self._admit(call, request, stream_in=stream_in)
                with TimeLimit(call.remaining()):
                    async with aclosing(work(request, context)) as responses:
                        async for response in responses:
                            await _send(call, response)
            except Exception as error:
                call.error = error
            except asyncio.CancelledError as error:
                call.error = error
                self._end(call, begun)
                raise
            self._end(call, begun)
            if call.error is not None:
                await _abort(call)

        return run

    def _admit(self, call: Call, request: Any, *, stream_in: bool) -> Any:
        if stream_in:
            return self._admit_each(call, request)
        self._check(call, request)
        return request

    async def _admit_each(self, call: Call, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._check(call, request)
            yield request

    def _check(self, call: Call, message: Message) -> None:
        for check in self._messages:
            check(call, message)

    def _open(self, method: ServedMethod, context: _Context) -> Call:
        call = Call(
            method=method,
            context=context,
            metadata=request_metadata(),
            started=time.monotonic(),
        )
        enter_call(call)
        self._running += 1
        self._idle.clear()
        return call

    def _end(self, call: Call, begun: int) -> None:
        try:
            for number, end in self._ends:
                if number < begun:
                    end(call)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()


def _has(stage: Stage, name: str) -> bool:
    return getattr(type(stage), name) is not getattr(Stage, name)


def _served_method(path: str) -> ServedMethod | None:
    """What the stages need of a method; None when it may not be served."""
    service, _, name = path.lstrip("/").rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        policy, _tool = method_policy(descriptor.GetOptions(), path=path)
        return ServedMethod.of(descriptor, policy)
    except (ContractError, RuleError, KeyError) as error:
        # The build lets no such proto pass, so this one was not built by it.
        _log.error("method refused", method=path, error=str(error))
        return None


async def _send(call: Call, response: Any) -> None:
    # Not yielded to gRPC: time that is up while an answer waits to be read would end gRPC's own
    # code, which then tells the caller nothing.
    try:
        seconds = call.method.policy.unread_seconds
        if seconds is None:
            await call.context.write(response)
        else:
            await _send_within(seconds, call, response)
    except grpc.aio.BaseError as error:
        raise asyncio.CancelledError("the caller has gone") from error


async def _send_within(seconds: float, call: Call, response: Any) -> None:
    try:
        with TimeLimit(seconds):
            await call.context.write(response)
    except TimeoutError:
        raise DeadlineExceeded(
            f"no part of the answer was taken for {seconds:g} s; call again, and read as it comes"
        ) from None


async def _abort(call: Call) -> NoReturn:
    if call.status is None:  # no error stage, or it failed: say nothing of what happened
        await call.context.abort(grpc.StatusCode.INTERNAL, "internal error")
    context: Any = call.context  # the stubs lack abort_with_status
    await context.abort_with_status(rpc_status.to_status(call.status))
    raise AssertionError("abort returns never")
