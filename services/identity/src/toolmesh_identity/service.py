"""Puts the identity service together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from toolmesh.identity.v1.api_key_service_pb2_grpc import (
    add_ApiKeyServiceServicer_to_server as _add_api_keys,
)
from toolmesh.identity.v1.revocation_service_pb2_grpc import (
    add_RevocationServiceServicer_to_server as _add_revocations,
)
from toolmesh.identity.v1.role_service_pb2_grpc import (
    add_RoleServiceServicer_to_server as _add_roles,
)
from toolmesh.identity.v1.session_service_pb2_grpc import (
    add_SessionServiceServicer_to_server as _add_sessions,
)
from toolmesh.identity.v1.token_service_pb2_grpc import (
    add_TokenServiceServicer_to_server as _add_tokens,
)
from toolmesh.identity.v1.user_service_pb2_grpc import (
    add_UserServiceServicer_to_server as _add_users,
)
from toolmesh_contracts.contract import Contract
from toolmesh_identity.access_tokens import TokenMint
from toolmesh_identity.api_key_servicer import ApiKeyServicer, RoleServicer
from toolmesh_identity.api_keys import ApiKeys
from toolmesh_identity.delegation import Delegation
from toolmesh_identity.exchange import KeyExchange
from toolmesh_identity.external_issuers import read_issuers
from toolmesh_identity.external_sign_in import ExternalSignIn
from toolmesh_identity.first_admin import ensure_first_admin
from toolmesh_identity.gateway_servicer import (
    CHECK_PATH,
    GatewayCheckServicer,
    add_gateway_check_to_server,
)
from toolmesh_identity.holders import Holders
from toolmesh_identity.id_tokens import open_id_tokens
from toolmesh_identity.passwords import AttemptLimits, Attempts, Passwords
from toolmesh_identity.revocation_log import open_revocation_log
from toolmesh_identity.roles import RoleBook, RoleRates
from toolmesh_identity.secret import Secret
from toolmesh_identity.servicer import RevocationServicer, TokenServicer
from toolmesh_identity.session_servicer import SessionServicer
from toolmesh_identity.sessions import Sessions
from toolmesh_identity.settings import Settings
from toolmesh_identity.signing_keys import SigningKeys, following_keys
from toolmesh_identity.user_servicer import UserServicer
from toolmesh_identity.users import Users
from toolmesh_serving.access_token import AccessTokenVerifier, FetchedKeys
from toolmesh_serving.redis_store import open_store, until_reached
from toolmesh_serving.server import Service, Servicer


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncGenerator[Service]:
    """Opens what the service needs, waiting for Redis if it is not there yet.

    Raises:
        IssuersFileError: the file of issuers cannot be used.
        SecretError: the secret file does not fit the store.
        ApiKeyInvalid: the administrator's key file does not hold an API key.
    """
    secret = Secret.open(settings.secret_file)
    async with (
        open_id_tokens(read_issuers(settings.issuers_file)) as id_tokens,
        open_store(settings.redis_url, decode_responses=False) as store,
    ):
        await until_reached(store)
        signing_keys = await SigningKeys.open(
            store, secret, publish_seconds=settings.signing_key_publish_seconds
        )
        roles = RoleBook(store, Contract.load().scopes, _rates(settings))
        users, api_keys = Users(store, roles), ApiKeys(store, secret, roles)
        await ensure_first_admin(store, users, api_keys, settings.admin_key_file)
        mint = TokenMint(
            signing_keys,
            issuer=settings.issuer,
            audience=settings.audience,
            lifetime_seconds=settings.token_seconds,
        )
        limits = AttemptLimits(delay_seconds=settings.sign_in_delay_seconds)
        passwords = Passwords(store, secret, Attempts(store, secret, limits))
        sessions = Sessions(
            store,
            secret,
            holders=Holders(store, roles),
            passwords=passwords,
            mint=mint,
            idle_seconds=settings.session_seconds,
        )
        external = ExternalSignIn(id_tokens, users, sessions)
        exchange = KeyExchange(api_keys, mint)
        following = following_keys(
            signing_keys, rotate_after_seconds=settings.signing_key_days * 86400
        )
        async with following, open_revocation_log(store) as log:
            verifier = AccessTokenVerifier(
                FetchedKeys(signing_keys.fetch),
                issuer=settings.issuer,
                audience=settings.audience,
                revocations=log.revocations,
            )
            delegation = Delegation(store, verifier, mint)
            yield Service(
                name="identity",
                servicers=(
                    Servicer(_add_tokens, TokenServicer(exchange, delegation, signing_keys)),
                    Servicer(_add_api_keys, ApiKeyServicer(api_keys)),
                    Servicer(_add_roles, RoleServicer(roles)),
                    Servicer(_add_users, UserServicer(users, passwords)),
                    Servicer(_add_sessions, SessionServicer(sessions, external)),
                    Servicer(_add_revocations, RevocationServicer(log)),
                    Servicer(add_gateway_check_to_server, GatewayCheckServicer(exchange)),
                ),
                verifier=verifier,
                open_paths=frozenset({CHECK_PATH}),
                on_drain=log.close,
            )


def _rates(settings: Settings) -> RoleRates:
    return RoleRates(builtin=settings.role_calls_per_minute, default=settings.calls_per_minute)
