"""One RPC on its way through the stages."""

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.rpc.status_pb2 import Status

from toolmesh_contracts.contract import Policy
from toolmesh_contracts.field_rules import FieldRules
from toolmesh_serving.caller import Caller


@dataclass(frozen=True)
class ServedMethod:
    """What the stages need to know of a method, looked up once."""

    path: str
    policy: Policy
    rules: FieldRules

    @classmethod
    def of(cls, descriptor: MethodDescriptor, policy: Policy) -> "ServedMethod":
        """Reads it from a method's descriptor."""
        service = descriptor.containing_service.full_name
        return cls(
            path=f"/{service}/{descriptor.name}",
            policy=policy,
            rules=FieldRules(descriptor.input_type),
        )


@dataclass(slots=True)
class Call:
    """The state of one RPC; stages fill it in as they go.

    Attributes:
        deadline: when the work must end, on the clock of `time.monotonic()`.
        error: what the work raised; `status` is its gRPC form, set by the error stage.
    """

    method: ServedMethod
    context: "grpc.aio.ServicerContext[object, object]"
    metadata: Mapping[str, str]
    started: float
    request_id: str = ""
    deadline: float = float("inf")
    caller: Caller | None = None
    error: BaseException | None = None
    status: Status | None = None
    state: dict[str, object] = field(default_factory=dict[str, object])

    def remaining(self) -> float:
        """How many seconds of work are left; may be negative."""
        return self.deadline - time.monotonic()


_current: ContextVar[Call] = ContextVar("toolmesh_call")


def current_call() -> Call:
    """The RPC being served.

    Raises:
        LookupError: not inside one.
    """
    return _current.get()


def enter_call(call: Call) -> None:
    """Makes `call` the current one for the rest of this task."""
    _current.set(call)


def remaining_seconds() -> float | None:
    """What is left of the current RPC's deadline; None outside of one."""
    call = _current.get(None)
    return None if call is None else max(call.remaining(), 0.0)


_metadata: ContextVar[Sequence[tuple[str, str | bytes]]] = ContextVar("toolmesh_metadata")


def enter_metadata(metadata: Sequence[tuple[str, str | bytes]] | None) -> None:
    """Keeps a request's metadata for the rest of this task."""
    _metadata.set(metadata or ())


def request_metadata() -> dict[str, str]:
    """The request's text metadata by key; of a key that comes twice, the first."""
    return {key: value for key, value in reversed(_metadata.get()) if isinstance(value, str)}
