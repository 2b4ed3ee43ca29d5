"""The RPCs about API keys and roles: protos to domain and back."""

from typing import Any

from toolmesh.identity.v1 import (
    api_key_pb2,
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
)
from toolmesh_identity.api_keys import ApiKeys, NewApiKey
from toolmesh_identity.callers import granting_scopes, only_whose, undelegated_caller
from toolmesh_identity.key_records import ApiKey
from toolmesh_identity.roles import Role, RoleBook
from toolmesh_identity.timestamps import seconds_of, timestamp

_DEFAULT_PAGE_SIZE = 50


class ApiKeyServicer(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """Serves `ApiKeyService`."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: api_key_service_pb2.CreateApiKeyRequest, context: Any
    ) -> api_key_service_pb2.CreateApiKeyResponse:
        """See the proto."""
        granter = granting_scopes()
        expires = request.HasField("expire_time")
        new = NewApiKey(
            display_name=request.display_name,
            subject=only_whose(request.subject, empty_is_own=True),
            roles=tuple(request.roles),
            scopes=tuple(request.scopes),
            expire_time=seconds_of(request.expire_time, field="expire_time") if expires else None,
            calls_per_minute=request.calls_per_minute,
        )
        record, whole = await self._keys.create(new, granter=granter)
        return api_key_service_pb2.CreateApiKeyResponse(api_key=_api_key(record), key=whole)

    async def ListApiKeys(
        self, request: api_key_service_pb2.ListApiKeysRequest, context: Any
    ) -> api_key_service_pb2.ListApiKeysResponse:
        """See the proto."""
        records, next_page_token = await self._keys.list(
            page_size=request.page_size or _DEFAULT_PAGE_SIZE,
            page_token=request.page_token,
            subject=only_whose(request.subject),
        )
        return api_key_service_pb2.ListApiKeysResponse(
            api_keys=[_api_key(record) for record in records], next_page_token=next_page_token
        )

    async def RevokeApiKey(
        self, request: api_key_service_pb2.RevokeApiKeyRequest, context: Any
    ) -> api_key_service_pb2.RevokeApiKeyResponse:
        """See the proto."""
        undelegated_caller()
        record = await self._keys.revoke(request.id, subject=only_whose(""))
        return api_key_service_pb2.RevokeApiKeyResponse(api_key=_api_key(record))

    async def RotateApiKey(
        self, request: api_key_service_pb2.RotateApiKeyRequest, context: Any
    ) -> api_key_service_pb2.RotateApiKeyResponse:
        """See the proto."""
        granter = granting_scopes()
        record, whole = await self._keys.rotate(
            request.id,
            overlap_seconds=request.overlap_seconds,
            subject=only_whose(""),
            granter=granter,
        )
        return api_key_service_pb2.RotateApiKeyResponse(api_key=_api_key(record), key=whole)


class RoleServicer(role_service_pb2_grpc.RoleServiceServicer):
    """Serves `RoleService`."""

    def __init__(self, roles: RoleBook) -> None:
        self._roles = roles

    async def ListRoles(
        self, request: role_service_pb2.ListRolesRequest, context: Any
    ) -> role_service_pb2.ListRolesResponse:
        """See the proto."""
        roles = await self._roles.current()
        return role_service_pb2.ListRolesResponse(roles=[_role(role) for role in roles.values()])

    async def CreateRole(
        self, request: role_service_pb2.CreateRoleRequest, context: Any
    ) -> role_service_pb2.CreateRoleResponse:
        """See the proto."""
        role = Role(
            request.name,
            request.description,
            tuple(request.scopes),
            request.calls_per_minute,
        )
        made = await self._roles.create(role, granter=granting_scopes())
        return role_service_pb2.CreateRoleResponse(role=_role(made))

    async def UpdateRole(
        self, request: role_service_pb2.UpdateRoleRequest, context: Any
    ) -> role_service_pb2.UpdateRoleResponse:
        """See the proto."""
        role = await self._roles.update(
            request.name,
            description=request.description if request.HasField("description") else None,
            scopes=request.scopes,
            granter=granting_scopes(),
            calls_per_minute=(
                request.calls_per_minute if request.HasField("calls_per_minute") else None
            ),
        )
        return role_service_pb2.UpdateRoleResponse(role=_role(role))

    async def DeleteRole(
        self, request: role_service_pb2.DeleteRoleRequest, context: Any
    ) -> role_service_pb2.DeleteRoleResponse:
        """See the proto."""
        await self._roles.delete(request.name, granter=granting_scopes())
        return role_service_pb2.DeleteRoleResponse()


def _role(role: Role) -> role_pb2.Role:
    return role_pb2.Role(
        name=role.name,
        description=role.description,
        scopes=role.scopes,
        calls_per_minute=role.calls_per_minute,
    )


def _api_key(record: ApiKey) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=record.id,
        display_name=record.display_name,
        subject=record.subject,
        roles=record.roles,
        scopes=record.scopes,
        create_time=timestamp(record.create_time),
        expire_time=timestamp(record.expire_time),
        revoke_time=timestamp(record.revoke_time),
        last_use_time=timestamp(record.last_use_time),
        calls_per_minute=record.calls_per_minute,
        old_secret_expire_time=timestamp(record.old_end),
    )
