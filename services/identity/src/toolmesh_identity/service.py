"""Puts the identity service together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from toolmesh.identity.v1 import (
    api_key_service_pb2_grpc,
    role_service_pb2_grpc,
    token_service_pb2_grpc,
)
from toolmesh_contracts.contract import Contract
from toolmesh_identity.access_tokens import TokenMint
from toolmesh_identity.api_keys import ApiKeys
from toolmesh_identity.exchange import KeyExchange
from toolmesh_identity.first_admin import ensure_first_admin
from toolmesh_identity.gateway_servicer import (
    CHECK_PATH,
    GatewayCheckServicer,
    add_gateway_check_to_server,
)
from toolmesh_identity.roles import builtin_roles
from toolmesh_identity.secret import Secret
from toolmesh_identity.servicer import ApiKeyServicer, RoleServicer, TokenServicer
from toolmesh_identity.settings import Settings
from toolmesh_identity.signing_keys import SigningKeys
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.redis_store import open_store, until_reached
from toolmesh_serving.server import Service, Servicer


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Opens what the service needs, waiting for Redis if it is not there yet.

    Raises:
        SecretError: the secret file does not fit the store.
        ApiKeyInvalid: the administrator's key file does not hold an API key.
    """
    secret = Secret.open(settings.secret_file)
    async with open_store(settings.redis_url, decode_responses=False) as store:
        await until_reached(store)
        signing_keys = await SigningKeys.open(store, secret)
        roles = builtin_roles(Contract.load().scopes)
        api_keys = ApiKeys(store, secret, roles)
        await ensure_first_admin(store, api_keys, settings.admin_key_file)
        mint = TokenMint(
            signing_keys,
            issuer=settings.issuer,
            audience=settings.audience,
            lifetime_seconds=settings.token_seconds,
        )
        exchange = KeyExchange(api_keys, mint)
        token = TokenServicer(exchange, signing_keys)
        api_key = ApiKeyServicer(api_keys)
        check = GatewayCheckServicer(exchange)
        yield Service(
            name="identity",
            servicers=(
                Servicer(token_service_pb2_grpc.add_TokenServiceServicer_to_server, token),
                Servicer(api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server, api_key),
                Servicer(
                    role_service_pb2_grpc.add_RoleServiceServicer_to_server, RoleServicer(roles)
                ),
                Servicer(add_gateway_check_to_server, check),
            ),
            verifier=AccessTokenVerifier(
                FetchedKeys(signing_keys.fetch), issuer=settings.issuer, audience=settings.audience
            ),
            open_paths=frozenset({CHECK_PATH}),
        )
