"""A running audit service, a chain of its own, and what their tests need of them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from toolmesh.audit.v1 import audit_service_pb2_grpc, gateway_log_pb2
from toolmesh_audit.chain import Chain
from toolmesh_audit.events import Event, Kind
from toolmesh_audit.gateway_log_servicer import EXPORT_PATH
from toolmesh_audit.service import open_service
from toolmesh_audit.settings import Settings
from toolmesh_client.channels import open_channel
from toolmesh_contracts.call_lines import CALL_LINES, UNKNOWN
from toolmesh_serving.redis_store import Store, open_store
from toolmesh_serving.server import running


@dataclass(frozen=True)
class Audit:
    """A running service.

    Attributes:
        auditor: a stub with an auditor's token.
        public: a channel without a token.
    """

    auditor: audit_service_pb2_grpc.AuditServiceStub
    public: grpc.aio.Channel

    async def export(self, *calls: dict[str, Any]) -> None:
        """Sends calls as the gateway does; keywords are its lines, as text or bytes."""
        request = gateway_log_pb2.GatewayLogRequest()
        records = request.resource_logs.add().scope_logs.add().log_records
        for call in calls:
            record = records.add(time_unix_nano=int(call.pop("time", 1_790_000_000) * 1e9))
            values = [call.pop(name, UNKNOWN) for name in CALL_LINES]
            assert not call
            record.body.text = b"\n".join(
                value if isinstance(value, bytes) else str(value).encode() for value in values
            )
        method: Any = self.public.unary_unary(EXPORT_PATH, None, None)
        await method(request.SerializeToString())


@pytest.fixture
def audit_url(valkey_url: str) -> str:
    """A database apart from identity's, which leaves events of its own in its outbox."""
    return f"{valkey_url}?db=1"


@pytest.fixture
def run_audit(
    identity_pattern: str, token_of: Callable[..., Awaitable[str]], socket_folder: Path
) -> Callable[[str], Any]:
    """Runs an audit service with a store: `async with run_audit(url) as audit`."""

    @asynccontextmanager
    async def opened(redis_url: str) -> AsyncGenerator[Audit]:
        settings = Settings(
            listen=f"unix:{socket_folder}/audit.sock",
            address_pattern=identity_pattern,
            redis_url=redis_url,
        )
        token = await token_of("auditor", subject="eve")

        async def auditors_token() -> str:
            return token

        async with (
            open_service(settings) as service,
            running(settings, service),
            open_channel(settings.listen) as public,
            open_channel(settings.listen, token=auditors_token) as channel,
        ):
            yield Audit(auditor=audit_service_pb2_grpc.AuditServiceStub(channel), public=public)

    return opened


@pytest.fixture
async def audit(run_audit: Callable[[str], Any], audit_url: str) -> AsyncGenerator[Audit]:
    """A running audit service."""
    async with run_audit(audit_url) as audit:
        yield audit


@pytest.fixture
async def store(audit_url: str) -> AsyncGenerator[Store]:
    """An empty store."""
    async with open_store(audit_url, decode_responses=False) as store:
        yield store


@pytest.fixture
def chain(store: Store) -> Chain:
    """An empty chain."""
    return Chain(store)


@pytest.fixture
def call_of() -> Callable[..., Event]:
    """Makes the event of a call; keywords are its members."""

    def call_of(number: int = 0, **members: Any) -> Event:
        given: dict[str, Any] = {
            "kind": Kind.CALL,
            "time": 1_790_000_000.0 + number,
            "id": f"call-{number}",
            "subject": "ann",
            "method": "/toolmesh.echo.v1.EchoService/Say",
        }
        return Event(**given | members)

    return call_of
