"""The identity service's RPCs: protos to domain and back."""

from typing import Any

import orjson
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from toolmesh.identity.v1 import (
    api_key_pb2,
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from toolmesh_identity.api_keys import ApiKey, ApiKeys, NewApiKey
from toolmesh_identity.errors import TimeInvalid
from toolmesh_identity.exchange import KeyExchange
from toolmesh_identity.roles import Role
from toolmesh_identity.signing_keys import SigningKeys
from toolmesh_serving.caller import current_caller
from toolmesh_serving.errors import FieldViolation

_DEFAULT_PAGE_SIZE = 50


class TokenServicer(token_service_pb2_grpc.TokenServiceServicer):
    """Serves `TokenService`."""

    def __init__(self, exchange: KeyExchange, keys: SigningKeys) -> None:
        self._exchange = exchange
        self._keys = keys

    async def ExchangeToken(
        self, request: token_service_pb2.ExchangeTokenRequest, context: Any
    ) -> token_service_pb2.ExchangeTokenResponse:
        """See the proto."""
        token = await self._exchange.exchange(request.api_key, request.scopes)
        return token_service_pb2.ExchangeTokenResponse(
            access_token=token.token,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            expires_in=Duration(seconds=token.lifetime_seconds),
            scopes=token.scopes,
        )

    async def GetJwks(
        self, request: token_service_pb2.GetJwksRequest, context: Any
    ) -> token_service_pb2.GetJwksResponse:
        """See the proto."""
        document = orjson.dumps(self._keys.key_set())
        return token_service_pb2.GetJwksResponse(
            jwks=HttpBody(content_type="application/json", data=document)
        )

    async def WhoAmI(
        self, request: token_service_pb2.WhoAmIRequest, context: Any
    ) -> token_service_pb2.WhoAmIResponse:
        """See the proto."""
        caller = current_caller()
        return token_service_pb2.WhoAmIResponse(
            subject=caller.subject,
            roles=caller.roles,
            scopes=sorted(caller.scopes),
            expire_time=_timestamp(caller.expires_at),
        )


class ApiKeyServicer(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """Serves `ApiKeyService`."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: api_key_service_pb2.CreateApiKeyRequest, context: Any
    ) -> api_key_service_pb2.CreateApiKeyResponse:
        """See the proto."""
        new = NewApiKey(
            display_name=request.display_name,
            subject=request.subject or current_caller().subject,
            roles=tuple(request.roles),
            scopes=tuple(request.scopes),
            expire_time=_seconds(request.expire_time) if request.HasField("expire_time") else None,
        )
        record, whole = await self._keys.create(new)
        return api_key_service_pb2.CreateApiKeyResponse(api_key=_api_key(record), key=whole)

    async def ListApiKeys(
        self, request: api_key_service_pb2.ListApiKeysRequest, context: Any
    ) -> api_key_service_pb2.ListApiKeysResponse:
        """See the proto."""
        records, next_page_token = await self._keys.list(
            page_size=request.page_size or _DEFAULT_PAGE_SIZE, page_token=request.page_token
        )
        return api_key_service_pb2.ListApiKeysResponse(
            api_keys=[_api_key(record) for record in records], next_page_token=next_page_token
        )

    async def RevokeApiKey(
        self, request: api_key_service_pb2.RevokeApiKeyRequest, context: Any
    ) -> api_key_service_pb2.RevokeApiKeyResponse:
        """See the proto."""
        record = await self._keys.revoke(request.id)
        return api_key_service_pb2.RevokeApiKeyResponse(api_key=_api_key(record))


class RoleServicer(role_service_pb2_grpc.RoleServiceServicer):
    """Serves `RoleService`."""

    def __init__(self, roles: dict[str, Role]) -> None:
        self._roles = roles

    async def ListRoles(
        self, request: role_service_pb2.ListRolesRequest, context: Any
    ) -> role_service_pb2.ListRolesResponse:
        """See the proto."""
        return role_service_pb2.ListRolesResponse(
            roles=[
                role_pb2.Role(name=role.name, description=role.description, scopes=role.scopes)
                for role in self._roles.values()
            ]
        )


def _api_key(record: ApiKey) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=record.id,
        display_name=record.display_name,
        subject=record.subject,
        roles=record.roles,
        scopes=record.scopes,
        create_time=_timestamp(record.create_time),
        expire_time=_timestamp(record.expire_time),
        revoke_time=_timestamp(record.revoke_time),
        last_use_time=_timestamp(record.last_use_time),
    )


def _seconds(timestamp: Timestamp) -> int:
    try:
        return timestamp.ToSeconds()
    except ValueError as error:
        raise TimeInvalid(
            "expire_time is no time that can be",
            field_violations=[FieldViolation("expire_time", str(error))],
        ) from None


def _timestamp(seconds: float) -> Timestamp | None:
    if not seconds:
        return None
    timestamp = Timestamp()
    timestamp.FromMicroseconds(int(seconds * 1e6))
    return timestamp
