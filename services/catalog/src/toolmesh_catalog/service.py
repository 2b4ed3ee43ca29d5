"""Puts the catalog service together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import orjson

from toolmesh.catalog.v1 import catalog_service_pb2_grpc, status_service_pb2_grpc
from toolmesh_catalog.health_client import open_health_checks
from toolmesh_catalog.openapi import openapi_document
from toolmesh_catalog.servicer import CatalogServicer, StatusServicer
from toolmesh_catalog.settings import Settings
from toolmesh_catalog.tools import ToolList
from toolmesh_contracts.contract import Contract
from toolmesh_serving.peers import open_verifier
from toolmesh_serving.server import Service, Servicer


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Reads the contract once and opens a channel to each service that it names."""
    contract = Contract.load()
    document = openapi_document(contract, version=version("toolmesh-catalog"))
    catalog = CatalogServicer(ToolList(contract), orjson.dumps(document))
    async with AsyncExitStack() as stack:
        verifier = await stack.enter_async_context(open_verifier(settings))
        checks = await stack.enter_async_context(
            open_health_checks(contract.services, address_pattern=settings.address_pattern)
        )
        yield Service(
            name="catalog",
            servicers=(
                Servicer(catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server, catalog),
                Servicer(
                    status_service_pb2_grpc.add_StatusServiceServicer_to_server,
                    StatusServicer(checks),
                ),
            ),
            verifier=verifier,
        )
