"""Puts the audit service together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from toolmesh.audit.v1 import audit_service_pb2_grpc
from toolmesh_audit.chain import Chain
from toolmesh_audit.gateway_log_servicer import (
    EXPORT_PATH,
    GatewayLogServicer,
    add_gateway_log_to_server,
)
from toolmesh_audit.outbox import take_changes
from toolmesh_audit.recorder import open_recorder
from toolmesh_audit.retention import keep_retention
from toolmesh_audit.servicer import AuditServicer
from toolmesh_audit.settings import Settings
from toolmesh_contracts.contract import Contract
from toolmesh_serving.background import working
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.redis_store import open_store
from toolmesh_serving.server import Service, Servicer


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Opens what the service needs; Redis is asked when it is first needed."""
    side_effects = {
        method.path: method.policy.side_effect.name for method in Contract.load().methods
    }
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        store = await stack.enter_async_context(
            open_store(settings.redis_url, decode_responses=False)
        )
        chain = Chain(store)
        recorder = await stack.enter_async_context(open_recorder(chain))
        await stack.enter_async_context(working(take_changes(store, chain, recorder)))
        retention = keep_retention(
            chain,
            recorder,
            days=settings.audit_retention_days,
            check_seconds=settings.audit_retention_check_seconds,
        )
        await stack.enter_async_context(working(retention))
        log = GatewayLogServicer(recorder, side_effects=side_effects)
        add = audit_service_pb2_grpc.add_AuditServiceServicer_to_server
        yield Service(
            name="audit",
            servicers=(
                Servicer(add, AuditServicer(chain)),
                Servicer(add_gateway_log_to_server, log),
            ),
            verifier=verifier,
            open_paths=frozenset({EXPORT_PATH}),
        )
